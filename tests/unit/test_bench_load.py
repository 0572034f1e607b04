"""The benchmark's load generator counts rightly: what it says of a system must not be a fault of its own."""

import asyncio
import json

import pytest
from pamqp import commands, frame, header
from pamqp.body import ContentBody

from tests.bench.load.amqp import content, publish_head
from tests.bench.load.bodies import BODY_BYTES, NUMBER_BASE, TIME_BASE, body, now
from tests.bench.load.mqtt import Mqtt
from tests.bench.load.nats import Nats
from tests.bench.load.socket import Socket
from tests.bench.load.socketio import SocketIO
from tests.bench.load.tally import Mailbox, Tally

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
ACCOUNT = "vhost:guest alice user/alice"


class Wire(asyncio.Transport):
    """Keeps what a client writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.written += b"(cut)"


def from_server(payload: bytes) -> bytes:
    size = len(payload)
    return (bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")) + payload


def event(number: int, callback: int = 7) -> bytes:
    message = b'{"id":"m","data":' + body(number, now()) + b',"type":"","from":null}'
    return from_server(b'42%d["message",%s]' % (callback, message))


def published(number: int, packet: int = 300) -> bytes:
    variable = b"\x00\x0auser/alice" + packet.to_bytes(2, "big") + body(number, now())
    return from_server(b"\x32" + bytes((len(variable) & 0x7F | 0x80, len(variable) >> 7)) + variable)


def delivered(number: int) -> bytes:
    made = body(number, now())
    line = b"MSG deliver.alice 1 $JS.ACK.alice.alice.1.%d %d\r\n" % (number, len(made))
    return line + made + b"\r\n"


def connected(kind: type[Socket]) -> tuple[Socket, Tally, Wire]:
    tally, wire = Tally(), Wire()
    client = kind(Mailbox(tally), tally, ACCOUNT, lambda: None)
    client.connection_made(wire)
    wire.written = b""
    return client, tally, wire


def unmasked(written: bytes) -> list[bytes]:
    """The payloads of a client's short frames."""
    found = []
    while written:
        size = written[1] & 0x7F
        found.append(written[6 : 6 + size])
        written = written[6 + size :]
    return found


def test_body_is_json_of_the_size_that_is_promised() -> None:
    at = now()

    made = body(41, at)

    assert len(made) == BODY_BYTES
    read = json.loads(made)
    assert (read["t"], read["n"]) == (at, NUMBER_BASE + 41)
    assert read["t"] > TIME_BASE


@pytest.mark.parametrize("kind", [SocketIO, Mqtt])
def test_messages_count_the_same_wherever_the_reads_are_cut(kind: type[Socket]) -> None:
    make = event if kind is SocketIO else published
    stream = UPGRADED + make(0) + make(1)
    for cut in range(1, len(stream)):
        client, tally, wire = connected(kind)

        client.data_received(stream[:cut])
        client.data_received(stream[cut:])

        assert (tally.count, tally.repeated, tally.skipped, tally.damaged) == (2, 0, 0, 0)
        answer = b"437[]" if kind is SocketIO else b"\x40\x02" + (300).to_bytes(2, "big")
        assert unmasked(wire.written)[-2:] == [answer, answer]


def test_a_message_that_comes_again_or_too_early_or_broken_is_noticed() -> None:
    client, tally, _ = connected(SocketIO)

    client.data_received(UPGRADED + event(0) + event(0) + event(3) + event(4).replace(b"xx", b"xy", 1))

    assert (tally.count, tally.repeated, tally.skipped, tally.damaged) == (4, 1, 2, 1)


def test_confirmations_wait_for_the_word_and_then_leave_together() -> None:
    client, tally, wire = connected(SocketIO)
    client.held = []
    client.data_received(UPGRADED + event(0, callback=1) + event(1, callback=2))
    assert (tally.count, wire.written) == (2, b"")

    client.go_on()

    assert unmasked(wire.written) == [b"431[]", b"432[]"]


def test_lines_of_nats_count_the_same_wherever_its_frames_are_cut() -> None:
    stream = b"INFO {}\r\nPONG\r\n" + delivered(0) + b"PING\r\n" + delivered(1)
    for cut in range(1, len(stream)):
        client, tally, wire = connected(Nats)

        client.data_received(UPGRADED + from_server(stream[:cut]) + from_server(stream[cut:]))

        assert (tally.count, tally.repeated, tally.skipped, tally.damaged) == (2, 0, 0, 0)
        assert (tally.online, client.online) == (1, True)
        hello, *answers = unmasked(wire.written)
        assert hello.endswith(b"SUB %s 1\r\nPING\r\n" % ACCOUNT.encode())
        assert b"".join(sorted(answers)) == b"PONG\r\n" + b"".join(
            b"PUB $JS.ACK.alice.alice.1.%d 0\r\n\r\n" % number for number in range(2)
        )


def test_login_and_pings_are_answered() -> None:
    client, tally, wire = connected(SocketIO)

    client.data_received(UPGRADED + from_server(b'0{"sid":"s"}') + from_server(b'40{"sid":"t"}') + from_server(b"2"))

    assert unmasked(wire.written) == [b"40" + ACCOUNT.encode(), b"3"]
    assert (tally.online, client.online) == (1, True)


def test_a_refused_upgrade_is_counted_and_cut() -> None:
    client, tally, wire = connected(SocketIO)

    client.data_received(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")

    assert (tally.refused, wire.written) == (1, b"(cut)")


def test_what_the_publisher_writes_is_what_pamqp_reads() -> None:
    made = body(5, now())

    sent = publish_head("messages", "alice") + content(made, b"1.5", (b"bench", b"1.0"))

    read = []
    while sent:
        size, _, value = frame.unmarshal(sent)
        read.append(value)
        sent = sent[size:]
    publish, head, last = read
    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("messages", "alice", False)
    assert isinstance(head, header.ContentHeader)
    kept = head.properties
    assert (kept.content_type, kept.delivery_mode, kept.message_id) == ("application/json", 2, "1.5")
    assert (kept.reply_to, kept.correlation_id, head.body_size) == ("bench", "1.0", BODY_BYTES)
    assert isinstance(last, ContentBody)
    assert last.value == made
