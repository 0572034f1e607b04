"""The fast lanes against the libraries beside which they run: the same bytes in, the same out."""

import asyncio
from datetime import UTC, datetime
from itertools import combinations

import pytest
from aiormq.abc import ChannelFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Connection
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from dispatcher.original import Original, read
from dispatcher.settle import Flusher, Settlements
from shared.decoding import read_whatever_comes
from shared.names import user_queue
from shared.sieve import Sieve
from shared.topology import name_every_user
from tests.support.streams import fed

CLAIMED = (1, 2)
DELIVER = Basic.Deliver("user.alice", 1, False, "messages", "alice")
Taken = tuple[int, str, int, bool, bytes, bytes]

read_whatever_comes()
name_every_user()

# How long it takes to think up frames says how busy the machine is, and nothing else.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

short = st.text(max_size=20).filter(lambda text: len(text.encode()) <= 255)
# pamqp takes a timestamp beyond 2106 for milliseconds.
times = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2500, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
properties = st.builds(
    Basic.Properties,
    content_type=st.none() | st.sampled_from(["application/json", "text/plain; charset=utf-8"]) | short,
    content_encoding=st.none() | short,
    headers=st.none()
    | st.dictionaries(st.sampled_from(["from", "x-given-message-id", "other"]), short | st.integers(0, 9)),
    delivery_mode=st.sampled_from([None, 1, 2]),
    priority=st.none() | st.integers(0, 9),
    correlation_id=st.none() | short,
    reply_to=st.none() | short,
    expiration=st.none() | st.just("1000"),
    message_id=st.none() | short,
    timestamp=st.none() | times,
    message_type=st.none() | short,
    user_id=st.none() | short,
    app_id=st.none() | short,
)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[bytes], Taken]:
    """The frames of one, and what is to be taken of them."""
    channel, consumer, tag = draw(st.integers(1, 4)), draw(short), draw(st.integers(1, 2**63 - 1))
    redelivered = draw(st.booleans())
    deliver = Basic.Deliver(consumer, tag, redelivered, "messages", draw(short))
    pieces = draw(st.lists(st.binary(min_size=1, max_size=300), max_size=3))
    body = b"".join(pieces)
    header = ContentHeader(0, len(body), draw(properties)).marshal()
    frames = [frame.marshal(deliver, channel), b"\x02" + _framed(channel, header)]
    frames += [frame.marshal(ContentBody(piece), channel) for piece in pieces]
    return frames, (channel, consumer, tag, redelivered, header, body)


def _framed(channel: int, payload: bytes) -> bytes:
    return channel.to_bytes(2, "big") + len(payload).to_bytes(4, "big") + payload + b"\xce"


others = st.sampled_from(
    [
        frame.marshal(Heartbeat(), 0),
        frame.marshal(Basic.CancelOk(consumer_tag="user.alice"), 1),
        frame.marshal(Basic.ConsumeOk(consumer_tag="user.alice"), 2),
        frame.marshal(Channel.Close(404, "NOT_FOUND", 0, 0), 3),
        frame.marshal(Basic.Ack(delivery_tag=7), 4),
    ]
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[Taken], bytes]:
    """What a broker sends, what of it is to be taken, and what is to be passed on.

    The frames of one delivery are not parted by others of its channel, but may be by those of other channels.
    """
    lines: dict[int, list[tuple[bytes, Taken | None, bool]]] = {}
    for made in draw(st.lists(deliveries() | others, max_size=6)):
        if isinstance(made, bytes):
            lines.setdefault(made[2], []).append((made, None, False))
            continue
        frames, taken = made
        claimed = taken[0] in CLAIMED
        for number, part in enumerate(frames):
            last = number == len(frames) - 1
            lines.setdefault(taken[0], []).append((part, taken if last and claimed else None, claimed))
    sent, expected, passed = b"", [], b""
    while any(lines.values()):
        channel = draw(st.sampled_from(sorted(channel for channel, line in lines.items() if line)))
        part, taken_now, claimed = lines[channel].pop(0)
        sent += part
        passed += b"" if claimed else part
        if taken_now is not None:
            expected.append(taken_now)
    return sent, expected, passed


@unhurried
@given(streams(), st.lists(st.integers(1, 40) | st.just(100_000), min_size=1, max_size=20))
def test_the_sieve_takes_every_delivery_of_its_channels_and_passes_on_all_else_wherever_reads_end(
    stream: tuple[bytes, list[Taken], bytes], sizes: list[int]
) -> None:
    sent, expected, passed_on = stream
    taken: list[Taken] = []
    passed = bytearray()
    sieve = Sieve(passed.extend)
    sieve.alive_seconds = float("inf")
    for channel in CLAIMED:
        sieve.claim(channel, lambda *what, channel=channel: taken.append((channel, *what)))

    fed(sieve.feed, sent, sizes)

    assert taken == expected
    assert bytes(passed) == passed_on


@pytest.mark.parametrize("first", list(combinations(range(6), 3)))
def test_frames_of_equal_size_on_another_channel_are_not_taken_for_a_deliverys_own(first: tuple[int, ...]) -> None:
    taken: list[tuple[int, bytes]] = []
    sieve = Sieve(lambda _: None)
    lines = {}
    for channel in CLAIMED:
        sieve.claim(channel, lambda *what, channel=channel: taken.append((channel, what[-1])))
        parts = DELIVER, ContentHeader(0, 1, Basic.Properties()), ContentBody(b"%d" % channel)
        lines[channel] = [frame.marshal(part, channel) for part in parts]

    sieve.feed(b"".join(lines[CLAIMED[n not in first]].pop(0) for n in range(6)))

    assert sorted(taken) == [(1, b"1"), (2, b"2")]


def test_the_library_is_told_that_a_broker_lives_which_sends_nothing_but_deliveries() -> None:
    passed = bytearray()
    sieve = Sieve(passed.extend)
    sieve.claim(1, lambda *_: None)
    sieve.alive_seconds = 0.0
    deliver = frame.marshal(DELIVER, 1)

    sieve.feed(deliver + frame.marshal(ContentHeader(0, 0, Basic.Properties()), 1))

    assert frame.unmarshal(bytes(passed))[2].name == "Heartbeat"


def test_what_is_no_amqp_is_left_to_the_library() -> None:
    passed = bytearray()
    sieve = Sieve(passed.extend)
    sieve.claim(1, lambda *_: None)

    sieve.feed(b"HTTP/1.1 400")
    sieve.feed(b" Bad Request")

    assert bytes(passed) == b"HTTP/1.1 400 Bad Request"


def test_a_channel_that_is_released_is_the_librarys_again() -> None:
    passed = bytearray()
    sieve = Sieve(passed.extend)
    sieve.alive_seconds = float("inf")
    deliver = frame.marshal(DELIVER, 1)
    header = frame.marshal(ContentHeader(0, 1, Basic.Properties()), 1)
    taken: list[int] = []

    def take(_consumer: str, tag: int, *_rest: object) -> None:
        taken.append(tag)

    sieve.claim(1, take)
    sieve.feed(deliver)
    sieve.release(1, take)

    sieve.feed(deliver + header)

    assert bytes(passed) == deliver + header
    assert not taken


def test_a_number_that_another_channel_has_by_now_is_not_taken_from_that_one_and_nothing_is_left_of_the_old() -> None:
    sieve = Sieve(lambda _: None)
    old: list[int] = []
    new: list[int] = []

    def take_old(_consumer: str, tag: int, *_rest: object) -> None:
        old.append(tag)

    def take_new(_consumer: str, tag: int, *_rest: object) -> None:
        new.append(tag)

    deliver = frame.marshal(DELIVER, 1)
    header = frame.marshal(ContentHeader(0, 0, Basic.Properties()), 1)
    sieve.claim(1, take_old)
    sieve.feed(deliver)
    sieve.claim(1, take_new)
    sieve.release(1, take_old)

    sieve.feed(header)
    sieve.feed(deliver + header)

    assert (old, new) == ([], [1])


def test_a_handshake_in_small_pieces_is_passed_on_as_it_came() -> None:
    passed = bytearray()
    sieve = Sieve(passed.extend)
    start = frame.marshal(Connection.Start(server_properties={"product": "RabbitMQ"}), 0)

    for at in range(len(start)):
        sieve.feed(start[at : at + 1])

    assert bytes(passed) == start


def test_a_connection_that_ends_within_a_frame_ends_there_for_the_library_too() -> None:
    passed = bytearray()
    sieve = Sieve(passed.extend)
    heartbeat = frame.marshal(Heartbeat(), 0)
    sieve.feed(heartbeat + heartbeat[:3])

    sieve.end()

    assert bytes(passed) == heartbeat + heartbeat[:3]


@unhurried
@given(properties)
def test_properties_read_from_the_header_are_those_that_the_library_reads(written: Basic.Properties) -> None:
    header = ContentHeader(0, 0, written).marshal()
    whole = ContentHeader()
    whole.unmarshal(header)

    found = Original(b"", header=header)

    assert found.read() == (read(whole.properties), bool(whole.properties.reply_to))
    assert found.properties == whole.properties


@unhurried
@given(st.binary(min_size=1, max_size=20).filter(lambda text: len(text) <= 255))
def test_a_property_that_is_no_utf8_is_read_as_the_library_reads_it(written: bytes) -> None:
    header = b"\x00\x3c\x00\x00" + bytes(8) + b"\x00\x20" + bytes([len(written)]) + written
    whole = ContentHeader()
    whole.unmarshal(header)

    assert Original(b"", header=header).read()[0] == read(whole.properties)


@unhurried
@given(st.binary(max_size=40))
def test_a_header_that_nobody_can_read_is_a_message_without_properties(written: bytes) -> None:
    original = Original(b"", header=written)

    original.read()

    assert isinstance(original.properties, Basic.Properties)


class _Connection:
    """As much of a connection as settling needs."""

    def __init__(self) -> None:
        self.write_queue: asyncio.Queue[ChannelFrame] = asyncio.Queue(10)
        self.channels: dict[int, _Channel] = {}


class _Channel:
    is_closed = False

    def __init__(self, number: int, connection: _Connection) -> None:
        self.number = number
        self.connection = connection
        self.write_queue = connection.write_queue
        connection.channels[number] = self


def _settlements(flusher: Flusher, channel: _Channel) -> Settlements:
    settlements = Settlements(flusher)
    settlements.attach(channel)  # type: ignore[arg-type]  # as much of one as is used
    return settlements


_acks = st.builds(Basic.Ack, st.integers(1, 2**63 - 1))
_nacks = st.builds(Basic.Nack, st.integers(1, 2**63 - 1), requeue=st.just(True))
_queues = st.from_regex(r"[A-Za-z0-9._:@+|=~-]{1,128}", fullmatch=True).map(user_queue)
_consumes = _queues.map(lambda queue: Basic.Consume(queue=queue, consumer_tag=queue, nowait=True))


@unhurried
@given(st.lists(st.tuples(st.integers(1, 2), _acks | _nacks | _consumes), min_size=1, max_size=20))
def test_what_needs_no_answer_is_the_librarys_frames_each_channels_in_order(
    said: list[tuple[int, Basic.Ack | Basic.Nack | Basic.Consume]],
) -> None:
    async def written() -> bytes:
        connection, flusher = _Connection(), Flusher()
        of = {number: _settlements(flusher, _Channel(number, connection)) for number in (1, 2)}
        for number, one in said:
            match one:
                case Basic.Ack():
                    of[number].ack(one.delivery_tag)
                case Basic.Nack():
                    of[number].nack(one.delivery_tag)
                case _:
                    of[number].consume(one.queue, one.consumer_tag)
        flushing = asyncio.create_task(flusher.run())
        payload = (await connection.write_queue.get()).payload
        flushing.cancel()
        assert connection.write_queue.empty()
        return payload

    first = said[0][0]
    in_order = [s for s in said if s[0] == first] + [s for s in said if s[0] != first]
    assert asyncio.run(written()) == b"".join(frame.marshal(one, number) for number, one in in_order)


async def test_what_waits_for_room_is_dropped_when_its_channel_is_closed_meanwhile() -> None:
    connection, flusher = _Connection(), Flusher()
    closed, staying = (_settlements(flusher, _Channel(number, connection)) for number in (1, 2))
    other = ChannelFrame(payload=b"", should_close=False)
    while not connection.write_queue.full():
        connection.write_queue.put_nowait(other)
    flushing = asyncio.create_task(flusher.run())
    closed.ack(1)
    staying.ack(2)
    await asyncio.sleep(0)  # the flusher has begun

    _Channel(1, connection)  # another one has its number
    while not connection.write_queue.empty():
        connection.write_queue.get_nowait()
        connection.write_queue.task_done()
    written = await connection.write_queue.get()
    flushing.cancel()

    assert written.payload == frame.marshal(Basic.Ack(2), 2)
