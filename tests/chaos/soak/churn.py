"""What changes all the time during a soak: clients come and go, users are new and forgotten, connections break."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from itertools import count
from random import Random
from typing import Any

from shared.names import user_queue
from tests.chaos import mishaps
from tests.chaos.device import Device
from tests.chaos.stage import VHOST, Stage
from tests.support.publisher import Publisher
from tests.support.until import until

PATIENCE_SECONDS = 90.0
LIMIT = 10
"""So many sessions a user may have by default."""

_numbers = count()

Change = Callable[[Stage, Random], Awaitable[None]]


async def new_user_comes_and_is_forgotten(stage: Stage, random: Random) -> None:
    """One message waits for it, some come while it is there; then an operator deletes the empty queue."""
    user = f"guest-{next(_numbers)}"
    ids = [f"g{n}" for n in range(random.randint(2, 6))]
    async with Publisher(stage.url, stage.timeline) as publisher:
        device = Device(f"phone of {user}", user, stage.timeline)
        try:
            await publisher.publish_surely(user, 0, id=ids[0])
            await stage.come(device)
            await device.received(ids[:1], seconds=PATIENCE_SECONDS)
            for message in ids[1:]:
                await publisher.publish_surely(user, 0, id=message)
            await device.received(ids, seconds=PATIENCE_SECONDS)
            await _forgotten(stage, device)
        finally:
            await device.end()


async def second_device_for_a_while(stage: Stage, random: Random) -> None:
    user = random.choice(stage.devices).user
    device = Device(f"tablet of {user}", user, stage.timeline)
    try:
        await stage.come(device)
        await asyncio.sleep(random.uniform(0.5, 5.0))
    finally:
        await device.end()
        device.connected = False


async def too_many_devices_of_one_user(stage: Stage, random: Random) -> None:
    """The oldest is replaced, and stays away."""
    user = f"guest-{next(_numbers)}"
    devices = [Device(f"device {n} of {user}", user, stage.timeline) for n in range(LIMIT + 1)]
    try:
        for device in devices:
            await stage.come(device)
        await until(lambda: any(device.replaced for device in devices), "a session replaced", PATIENCE_SECONDS)
    finally:
        for device in devices[:-1]:
            await device.end()
    try:
        await _forgotten(stage, devices[-1])
    finally:
        await devices[-1].end()


async def forget_guests(stage: Stage) -> int:
    """Deletes their empty queues, if there are any; how many there were. Nobody is a guest any more."""
    queues: Any = await stage.manage("GET", f"/api/queues/{VHOST}?columns=name")
    names = [queue["name"] for queue in queues if queue["name"].startswith(user_queue("guest-"))]
    forgotten = 0
    for name in names:
        with contextlib.suppress(OSError):  # somebody uses it, or something is in it
            await stage.manage("DELETE", f"/api/queues/{VHOST}/{name}?if-empty=true&if-unused=true")
            forgotten += 1
    return forgotten


async def _forgotten(stage: Stage, device: Device) -> None:
    """Goes, and has its queue deleted; what was not confirmed after all is fetched first."""
    deadline = stage.timeline.now + PATIENCE_SECONDS
    path = f"/api/queues/{VHOST}/{user_queue(device.user)}"
    said = ""
    while True:
        await device.end()
        device.connected = False
        for _ in range(20):  # the dispatcher lingers
            try:
                await stage.manage("DELETE", f"{path}?if-empty=true&if-unused=true")
            except OSError as err:
                said = str(err)
                await asyncio.sleep(0.25)
            else:
                return
        assert stage.timeline.now < deadline, f"the queue of {device.user} cannot be deleted: {said}"
        await stage.come(device)
        await asyncio.sleep(1.0)


CHURN: list[Change] = [
    new_user_comes_and_is_forgotten,
    second_device_for_a_while,
    too_many_devices_of_one_user,
    mishaps.client_vanished_and_is_elsewhere,
]
FAULTS: list[Change] = [
    mishaps.reconnect_storm,
    mishaps.way_of_clients_cut,
    mishaps.way_of_clients_torn_in_mid_frame,
    mishaps.way_to_the_broker_cut,
    mishaps.way_to_the_broker_torn_in_mid_frame,
    mishaps.network_slow,
    mishaps.clients_late,
    mishaps.all_connections_closed_by_the_operator,
]
"""What operations know, and no process dies of: a new one would begin its memory anew."""
