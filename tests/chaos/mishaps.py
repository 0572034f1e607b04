"""What goes wrong in a chaos run: each breaks something, and puts it right again itself."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from random import Random

from shared.names import user_queue
from tests.chaos.proxy import Proxy, Weather
from tests.chaos.stage import VHOST, Post, Stage
from tests.support.history import Removed
from tests.support.publisher import LOST, Publisher
from tests.support.rabbitmqctl import Alarm, alarm, rabbitmqctl
from tests.support.services import Service

Break = Callable[[Stage, Random], Awaitable[None]]

READY_SECONDS = 90.0
CLOCK_SECONDS = (20.0, 4_000.0, 90_000.0)
"""More than a deadline, more than an hour, more than a day."""

WINDOW = 32
"""So many messages of a deleted queue can be with clients, whom nobody counts."""


async def dispatcher_killed(stage: Stage, random: Random) -> None:
    await _killed(stage, random.choice(stage.dispatchers), random)


async def gateway_killed(stage: Stage, random: Random) -> None:
    await _killed(stage, random.choice(stage.gateways), random)


async def dispatcher_terminated(stage: Stage, random: Random) -> None:
    await _terminated(stage, random.choice(stage.dispatchers))


async def gateway_terminated(stage: Stage, random: Random) -> None:
    await _terminated(stage, random.choice(stage.gateways))


async def frozen_shortly(stage: Stage, random: Random) -> None:
    await _frozen(random.choice(stage.posts).service, random.uniform(0.5, 4.0))


async def frozen_past_every_heartbeat(stage: Stage, random: Random) -> None:
    """Whoever wakes up has been replaced meanwhile."""
    await _frozen(random.choice(stage.posts).service, random.uniform(32.0, 36.0))


async def way_to_the_broker_cut(stage: Stage, random: Random) -> None:
    await _blocked(random.choice(stage.posts).to_broker, Weather.GONE, random.uniform(0.0, 4.0))


async def way_to_the_broker_black_holed(stage: Stage, random: Random) -> None:
    await _blocked(random.choice(stage.posts).to_broker, Weather.BLACK_HOLE, random.choice([3.0, 12.0, 25.0]))


async def way_to_the_broker_torn_in_mid_frame(stage: Stage, random: Random) -> None:
    await _torn(random.choice(stage.posts).to_broker)


async def way_of_clients_cut(stage: Stage, random: Random) -> None:
    """They all come back at once, on the other gateway."""
    await _blocked(_to_clients(random.choice(stage.gateways)), Weather.GONE, random.uniform(0.0, 4.0))


async def way_of_clients_black_holed(stage: Stage, random: Random) -> None:
    await _blocked(_to_clients(random.choice(stage.gateways)), Weather.BLACK_HOLE, random.uniform(2.0, 12.0))


async def way_of_clients_torn_in_mid_frame(stage: Stage, random: Random) -> None:
    await _torn(_to_clients(random.choice(stage.gateways)))


async def network_slow(stage: Stage, random: Random) -> None:
    """300 ms each way, between two parts."""
    proxy = random.choice(random.choice(stage.posts).proxies)
    proxy.delay_seconds = 0.3
    try:
        await asyncio.sleep(random.uniform(3.0, 8.0))
    finally:
        proxy.delay_seconds = 0.0


async def clock_jumps_forward_and_back(stage: Stage, random: Random) -> None:
    await _wrong_clock(random.choice(stage.posts), random.choice(CLOCK_SECONDS), random)


async def clock_jumps_back_and_forward(stage: Stage, random: Random) -> None:
    await _wrong_clock(random.choice(stage.posts), -random.choice(CLOCK_SECONDS), random)


async def reconnect_storm(stage: Stage, random: Random) -> None:
    await stage.balancer.cut()


async def client_vanished_and_is_elsewhere(stage: Stage, random: Random) -> None:
    """Back before its old gateway noticed: that end of the connection just falls silent."""
    device = random.choice(stage.devices)
    async with device.moving:
        await device.vanish()
        device.connected = False
        await stage.come(device)


async def clients_silent(stage: Stage, random: Random) -> None:
    devices = random.sample(stage.devices, 3)
    for device in devices:
        device.answer_after(None)
    await asyncio.sleep(random.choice([4.0, 14.0]))  # the longer is past the confirm timeout
    for device in devices:
        device.answer_after(0.0)


async def clients_late(stage: Stage, random: Random) -> None:
    devices = random.sample(stage.devices, 3)
    for device in devices:
        device.answer_after(random.uniform(0.2, 2.0))
    await asyncio.sleep(6.0)
    for device in devices:
        device.answer_after(0.0)


async def clients_confirm_nonsense(stage: Stage, random: Random) -> None:
    """Twice, and what they were not sent."""
    for device in stage.devices:
        await device.say_nonsense()


async def broker_restarted(stage: Stage, random: Random) -> None:
    async with stage.broker_busy:
        await asyncio.to_thread(stage.broker.stop)
        await asyncio.to_thread(stage.broker.start)


async def broker_killed(stage: Stage, random: Random) -> None:
    async with stage.broker_busy:
        await asyncio.to_thread(stage.broker.kill)
        await asyncio.to_thread(stage.broker.start)


async def memory_alarm(stage: Stage, random: Random) -> None:
    await _alarm(stage, Alarm.MEMORY, random.uniform(2.0, 8.0))


async def disk_alarm(stage: Stage, random: Random) -> None:
    await _alarm(stage, Alarm.DISK, random.uniform(2.0, 8.0))


async def all_connections_closed_by_the_operator(stage: Stage, random: Random) -> None:
    async with stage.broker_busy:
        await asyncio.to_thread(rabbitmqctl, stage.broker, "close_all_connections", "--vhost", VHOST, "chaos")


async def queue_purged_by_the_operator(stage: Stage, random: Random) -> None:
    async with stage.broker_busy:
        await _remove(stage, random.choice(stage.devices).user, delete=False)


async def queue_deleted_by_the_operator(stage: Stage, random: Random) -> None:
    async with stage.broker_busy:
        await _remove(stage, random.choice(stage.devices).user, delete=True)


BREAKS: list[Break] = [
    dispatcher_killed,
    gateway_killed,
    dispatcher_terminated,
    gateway_terminated,
    frozen_shortly,
    frozen_past_every_heartbeat,
    way_to_the_broker_cut,
    way_to_the_broker_black_holed,
    way_to_the_broker_torn_in_mid_frame,
    way_of_clients_cut,
    way_of_clients_black_holed,
    way_of_clients_torn_in_mid_frame,
    network_slow,
    clock_jumps_forward_and_back,
    clock_jumps_back_and_forward,
    reconnect_storm,
    client_vanished_and_is_elsewhere,
    clients_silent,
    clients_late,
    clients_confirm_nonsense,
    broker_restarted,
    broker_killed,
    memory_alarm,
    disk_alarm,
    all_connections_closed_by_the_operator,
    queue_purged_by_the_operator,
    queue_deleted_by_the_operator,
]


async def _killed(stage: Stage, post: Post, random: Random) -> None:
    service = post.service
    service.kill()
    await asyncio.sleep(random.uniform(0.0, 3.0))
    await _again(stage, post, service)


async def _terminated(stage: Stage, post: Post) -> None:
    service = post.service
    service.resume()
    service.terminate()
    await service.ended(seconds=READY_SECONDS)
    await _again(stage, post, service)


async def _again(stage: Stage, post: Post, ended: Service) -> None:
    if post.service is ended:  # else somebody was quicker
        stage.begin(post)


async def _frozen(service: Service, seconds: float) -> None:
    if service.alive:
        service.pause()
        await asyncio.sleep(seconds)
    if service.alive:
        service.resume()


async def _blocked(proxy: Proxy, weather: Weather, seconds: float) -> None:
    proxy.become(weather)
    if weather is Weather.GONE:
        await proxy.cut()
    await asyncio.sleep(seconds)
    proxy.become(Weather.FAIR)


async def _wrong_clock(post: Post, seconds: float, random: Random) -> None:
    post.clock.be_wrong_by(seconds)
    await asyncio.sleep(random.uniform(2.0, 6.0))
    post.clock.be_wrong_by(0.0)


async def _torn(proxy: Proxy) -> None:
    proxy.tearing = True
    await asyncio.sleep(1.0)
    proxy.tearing = False


def _to_clients(post: Post) -> Proxy:
    assert post.to_clients is not None
    return post.to_clients


async def _alarm(stage: Stage, kind: Alarm, seconds: float) -> None:
    async with stage.broker_busy:
        rings = alarm(stage.broker, kind)
        try:
            await asyncio.to_thread(rings.__enter__)
            await asyncio.sleep(seconds)
        except subprocess.TimeoutExpired:
            # It may have been heard after all: an alarm that begins and ends is over in any case.
            await asyncio.to_thread(_over, stage, kind)
            raise
        await asyncio.to_thread(rings.__exit__, None, None, None)


def _over(stage: Stage, kind: Alarm) -> None:
    with alarm(stage.broker, kind):
        pass


async def _remove(stage: Stage, user: str, *, delete: bool) -> None:
    """By AMQP, which says how many it took; noted before, because more may come at once after it."""
    try:
        async with asyncio.timeout(10), Publisher(stage.url) as operator:
            assert operator._channel is not None
            queue = await operator._channel.get_queue(user_queue(user), ensure=False)
            went = await (queue.delete(if_unused=False, if_empty=False) if delete else queue.purge())
    except LOST:
        # Whether it happened nobody knows.
        stage.timeline.append(Removed(user, 1_000_000))
        return
    stage.timeline.append(Removed(user, (went.message_count or 0) + (WINDOW if delete else 0)))
