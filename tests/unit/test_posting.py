"""What is published past the library, where the other end of the socket is the test's."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from pamqp import frame
from pamqp.commands import Basic

from shared.alarm import Alarm
from shared.broker import BrokerAway, _Sockets
from shared.publish import Blocked, ConfirmedPublisher
from shared.sieve import Sieve
from tests.support.until import until

LARGE = 100_000
MANY = 40


@dataclass(eq=False)
class Connection:
    _transport_factory: _Sockets
    channels: dict[int, "Channel"] = field(default_factory=dict)


@dataclass(eq=False)
class Channel:
    connection: Connection
    closing: asyncio.Future[None]
    number: int = 1
    is_closed: bool = False
    max_content_size: int = 131_064


@dataclass(eq=False)
class Post:
    publisher: ConfirmedPublisher
    channel: Channel
    sieve: Sieve
    alarm: Alarm
    writer: asyncio.StreamWriter
    broker: asyncio.StreamReader

    def publish(self, body: bytes, *, patient: bool = True) -> asyncio.Task[None]:
        return asyncio.create_task(
            self.publisher.publish(
                body, Basic.Properties(), exchange="", routing_key="alice", mandatory=True, patient=patient
            )
        )

    @property
    def full(self) -> bool:
        return self.publisher._posting is not None and self.publisher._posting.full

    async def read(self) -> frame.FrameTypes:
        head = await self.broker.readexactly(7)
        return frame.unmarshal(head + await self.broker.readexactly(int.from_bytes(head[3:7], "big") + 1))[2]

    async def read_body(self) -> bytes:
        assert isinstance(await self.read(), Basic.Publish)
        await self.read()
        body: bytes = (await self.read()).value  # type: ignore[union-attr]  # a body it is
        return body


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    ours, theirs = socket.socketpair()
    _, writer = await asyncio.open_connection(sock=ours)
    broker, end = await asyncio.open_connection(sock=theirs)
    sockets = _Sockets(secure=False, sifted=True)
    sockets.sieve, sockets.writer = Sieve(lambda _: None), writer
    channel = Channel(Connection(sockets), asyncio.get_running_loop().create_future())
    channel.connection.channels[1] = channel
    alarm = Alarm()
    publisher = ConfirmedPublisher(channel, alarm=alarm)  # type: ignore[arg-type]  # as much of one as is used
    yield Post(publisher, channel, sockets.sieve, alarm, writer, broker)
    for each in writer, end:
        each.transport.abort()  # a close would wait for what nobody reads
        with contextlib.suppress(OSError):
            await each.wait_closed()


async def test_a_socket_that_nobody_reads_is_filled_only_so_far_and_all_come_in_order_once_it_is_read(
    post: Post,
) -> None:
    bodies = [b"%03d" % n + bytes(LARGE) for n in range(MANY)]
    publishing = [post.publish(body) for body in bodies]
    await until(lambda: post.full, "the socket full")

    assert post.writer.transport.get_write_buffer_size() < 3 * LARGE
    assert len(post.publisher._under_way) < MANY

    assert [await post.read_body() for _ in bodies] == bodies
    post.sieve.feed(frame.marshal(Basic.Ack(MANY, multiple=True), 1))
    await asyncio.gather(*publishing)


async def test_who_is_not_patient_is_told_of_an_alarm_while_the_socket_is_full(post: Post) -> None:
    publishing = [post.publish(bytes(LARGE), patient=False) for _ in range(MANY)]
    await until(lambda: post.full, "the socket full")

    post.alarm._become("low on disk")

    async with asyncio.timeout(10):
        results = await asyncio.gather(*publishing, return_exceptions=True)
    assert {type(result) for result in results} == {Blocked}


async def test_who_is_patient_goes_on_when_an_alarm_ends_in_which_nothing_was_under_way(post: Post) -> None:
    post.alarm._become("low on disk")
    publishing = post.publish(b"x")
    await asyncio.sleep(0)

    post.alarm._become("")

    async with asyncio.timeout(10):
        assert await post.read_body() == b"x"
    post.sieve.feed(frame.marshal(Basic.Ack(1), 1))
    await publishing


async def test_nobody_overtakes_who_waits(post: Post) -> None:
    post.publisher._in_flight = 1
    publishing = [post.publish(b"1"), post.publish(b"2")]
    assert await post.read_body() == b"1"

    post.sieve.feed(frame.marshal(Basic.Ack(1), 1))
    publishing.append(post.publish(b"3"))  # it starts when there is room, and the second has yet to be woken

    for tag, body in (2, b"2"), (3, b"3"):
        assert await post.read_body() == body
        post.sieve.feed(frame.marshal(Basic.Ack(tag), 1))
    await asyncio.gather(*publishing)


async def test_nothing_is_written_to_a_number_that_is_another_channels_by_now(post: Post) -> None:
    late = post.publish(b"late")
    await asyncio.sleep(0)  # it is under way, and is written in the next turn

    post.channel.connection.channels[1] = Channel(post.channel.connection, post.channel.closing)
    with pytest.raises(BrokerAway):
        await post.publish(b"too late")
    post.channel.closing.set_exception(ConnectionError("gone"))
    with pytest.raises(BrokerAway, match="gone"):
        await late

    post.writer.write(b"end")
    assert await post.broker.readexactly(3) == b"end"


async def test_a_frame_that_does_not_end_as_one_is_left_to_the_library(post: Post) -> None:
    passed = bytearray()
    post.sieve._pass_on = passed.extend
    publishing = post.publish(b"x")
    await post.read_body()
    broken = frame.marshal(Basic.Ack(1), 1)[:-1] + b"?"

    post.sieve.feed(broken)

    assert bytes(passed) == broken
    assert not publishing.done()
    post.sieve.feed(frame.marshal(Basic.Ack(1), 1))
    await publishing
