"""What a memory or disk alarm of the real RabbitMQ does to publishers, and what gets past it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from pydantic import SecretStr

from deploy.local.broker import Broker
from shared import sieve
from shared.alarm import Alarm
from shared.broker import close, connect, wire
from shared.numbered import Listener, Speaker
from shared.publish import Blocked, ConfirmedPublisher, Returned
from shared.settings import BrokerSettings
from shared.sidedoor import PIECE_BYTES, SideDoor
from tests.support import rabbitmqctl
from tests.support.until import until

EXCHANGE = "amq.direct"
INBOX = "inbox"


@asynccontextmanager
async def during(broker: Broker, kind: rabbitmqctl.Alarm = rabbitmqctl.Alarm.MEMORY) -> AsyncIterator[None]:
    raised = rabbitmqctl.alarm(broker, kind)
    await asyncio.to_thread(raised.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(raised.__exit__, None, None, None)


@dataclass(slots=True)
class Post:
    """A connection that publishes, another that consumes `INBOX`, and what came there."""

    settings: BrokerSettings
    connection: AbstractConnection
    alarm: Alarm
    came: list[DeliveredMessage] = field(default_factory=list)

    async def channel(self) -> AbstractChannel:
        return await wire(self.connection).channel()

    async def publisher(self, **more: float) -> ConfirmedPublisher:
        return ConfirmedPublisher(await self.channel(), alarm=self.alarm, timeout_seconds=more.get("seconds", 30.0))

    async def speaker(self, name: str = "speaker") -> Speaker:
        return Speaker(
            name,
            exchange=EXCHANGE,
            mandatory=True,
            publisher=await self.publisher(),
            alarm=self.alarm,
            side_door=self.side_door(),
        )

    def side_door(self) -> SideDoor:
        return SideDoor(self.settings, "test of the side door")

    async def blocked(self) -> None:
        """RabbitMQ tells it to a connection once that publishes."""
        publisher = await self.publisher()
        with pytest.raises(Blocked):
            while True:
                await put(publisher, b"the one that is stopped", routing_key="nowhere", mandatory=False, patient=False)


async def put(
    publisher: ConfirmedPublisher,
    body: bytes,
    *,
    routing_key: str = INBOX,
    mandatory: bool = True,
    patient: bool = True,
) -> None:
    await publisher.publish(
        body, Basic.Properties(), exchange=EXCHANGE, routing_key=routing_key, mandatory=mandatory, patient=patient
    )


@pytest.fixture
async def post(broker_url: str) -> AsyncIterator[Post]:
    settings = BrokerSettings(broker_url=(SecretStr(broker_url),))
    publishing, consuming = [
        await connect(settings, f"test {purpose}", sifted=sieve.LANE.taken) for purpose in ("publishes", "consumes")
    ]
    found = Post(settings, publishing, Alarm(publishing))

    async def take(message: DeliveredMessage) -> None:
        found.came.append(message)

    channel = await wire(consuming).channel(publisher_confirms=False)
    await channel.queue_declare(INBOX, exclusive=True)
    await channel.queue_bind(INBOX, EXCHANGE, INBOX)
    await channel.basic_consume(INBOX, take, no_ack=True)
    yield found
    await close(publishing)
    await close(consuming)


@pytest.mark.parametrize("kind", list(rabbitmqctl.Alarm))
async def test_a_publisher_that_is_not_patient_is_told_at_once_and_the_connection_hears_when_it_is_over(
    post: Post, broker: Broker, kind: rabbitmqctl.Alarm
) -> None:
    changes: list[str] = []
    post.alarm.listen(lambda: changes.append(post.alarm.reason))
    publisher = await post.publisher()

    async with during(broker, kind):
        async with asyncio.timeout(3):
            await post.blocked()
            for _ in range(3):
                with pytest.raises(Blocked):
                    await put(publisher, b"never written", patient=False)
        assert post.alarm.on
    await until(lambda: not post.alarm.on, "end of the alarm")
    await put(publisher, b"after it", patient=False)

    assert changes == [f"low on {kind.value}", ""]
    await until(lambda: post.came, "what was published after the alarm")
    assert [message.body for message in post.came] == [b"after it"]


async def test_an_alarm_stops_the_clock_for_a_patient_publisher_so_that_nothing_is_published_twice(
    post: Post, broker: Broker
) -> None:
    publisher = await post.publisher(seconds=0.5)
    await put(publisher, b"before")

    async with during(broker):
        first = asyncio.create_task(put(publisher, b"written before it was known"))
        await until(lambda: post.alarm.on, "alarm")
        second = asyncio.create_task(put(publisher, b"not written"))
        finished, _ = await asyncio.wait({first, second}, timeout=2)
        assert not finished
    await asyncio.gather(first, second)

    await until(lambda: len(post.came) == 3, lambda: f"three messages, not {post.came}")
    assert [message.body for message in post.came] == [b"before", b"written before it was known", b"not written"]


async def test_the_side_door_leads_past_an_alarm_for_what_is_small_large_or_for_nobody(
    post: Post, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    door, listener = post.side_door(), Listener()
    bodies = [b"", b"\xff small", bytes(range(256)) * (3 * PIECE_BYTES // 256)]

    async with during(broker):
        await post.blocked()
        for number, body in enumerate(bodies, start=1):
            await door.publish(
                body, message_id=f"speaker.{number}", exchange=EXCHANGE, routing_key=INBOX, mandatory=True
            )
        with pytest.raises(Returned):
            await door.publish(b"x", message_id="speaker.9", exchange=EXCHANGE, routing_key="nobody", mandatory=True)
        await until(lambda: len(post.came) == 2 + 3, lambda: f"all pieces, not {len(post.came)}")

    assert [heard for message in post.came if (heard := listener.heard(message)) is not None] == bodies
    assert not [record for record in caplog.records if record.name.startswith("aiormq") and record.levelno > 20]


async def test_what_is_said_before_during_and_after_alarms_is_heard_once_and_in_order(
    post: Post, broker: Broker
) -> None:
    """Eight at a time, more than the side door takes at once, all the while, through two alarms."""
    speaker, listener = await post.speaker(), Listener()
    stop, numbers = asyncio.Event(), 0

    async def speak() -> None:
        nonlocal numbers
        while not stop.is_set():
            numbers += 1
            await speaker.say(INBOX, b"%d" % numbers)

    speaking = [asyncio.create_task(speak()) for _ in range(8)]
    for _ in range(2):
        async with during(broker):
            await until(lambda: post.alarm.on, "alarm")
            there = numbers
            await until(lambda: numbers > there + 10, "ten said by the side door")  # noqa: B023 -- called at once
        await until(lambda: not post.alarm.on, "end of the alarm")
    stop.set()
    await asyncio.gather(*speaking)
    await until(
        lambda: post.came and post.came[-1].header.properties.message_id == f"speaker.{numbers}", "the last one"
    )

    copies = [message.header.properties.message_id for message in post.came]
    heard = [heard for message in post.came if (heard := listener.heard(message)) is not None]
    assert heard == [b"%d" % number for number in range(1, numbers + 1)]
    assert len(copies) > len(set(copies)), "no copy came late, so nothing was tried"


async def test_what_nobody_reads_any_more_comes_back_in_an_alarm_too(post: Post, broker: Broker) -> None:
    speaker = await post.speaker()

    async with during(broker):
        with pytest.raises(Returned):
            await speaker.say("nobody", b"x")
        await until(lambda: post.alarm.on, "alarm")
        with pytest.raises(Returned):
            await speaker.say("nobody", b"y")
        await speaker.say(INBOX, b"z")


async def test_the_broker_is_rid_of_a_side_door_connection_within_seconds_although_it_cannot_read_its_end(
    post: Post, broker: Broker
) -> None:
    door = post.side_door()

    async with during(broker):
        for number in range(10):
            await door.publish(
                b"x", message_id=f"speaker.{number}", exchange=EXCHANGE, routing_key=INBOX, mandatory=True
            )
        deadline = asyncio.get_running_loop().time() + 15
        while "side door" in await asyncio.to_thread(
            rabbitmqctl.rabbitmqctl, broker, "list_connections", "client_properties"
        ):
            assert asyncio.get_running_loop().time() < deadline
