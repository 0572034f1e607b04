"""A way past an alarm for what keeps deliveries going: a fresh connection for each message, one message on each.

Short of memory or disk, RabbitMQ stops reading a connection after the head of the first message that it publishes.
The head holds the headers, and a message without a body is complete with it: it is routed, returned and confirmed as
ever. So what is said travels in a header, on a connection that says nothing else. Were it not for this, an alarm that
comes of a backlog could never end: the backlog shrinks by deliveries, and each of those needs two messages of ours.

This is for our own small transient messages only, whose queues are read at once. What a publisher or a client sends,
dead letters and receipts would fill the broker further, and wait. The pace is bounded for the broker's sake: of each
connection it keeps something until its heartbeat fails (2.6 s at most, measured on 3.10 and 4.0), and it writes some
lines into its log.
"""

import asyncio

from pamqp.commands import Basic

from shared import broker
from shared.alarm import Alarm
from shared.broker import calling
from shared.publish import ConfirmedPublisher
from shared.settings import BrokerSettings

AT_ONCE = 4
PER_SECOND = 20.0
CONFIRM_SECONDS = 5.0
HEARTBEAT_SECONDS = 1
"""The broker does not read from these connections: only a heartbeat that fails tells it that one is gone."""

PIECE_BYTES = 100_000
"""A head is one frame, 131,072 bytes at most unless the operator chose otherwise."""

DATA, AT, OF = "x-data", "x-at", "x-of"
"""The headers: a piece, where it begins, and how many bytes there are in all."""

_TRANSIENT = 1


class SideDoor:
    """One for a service's connection; several may use it at once."""

    def __init__(self, settings: BrokerSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._free = asyncio.Semaphore(AT_ONCE)
        self._next = 0.0

    async def publish(self, body: bytes, *, message_id: str, exchange: str, routing_key: str, mandatory: bool) -> None:
        """Returns once the broker has all pieces, in order. Raises `PublishFailed`, or `BrokerAway`."""
        for at in range(0, max(1, len(body)), PIECE_BYTES):
            piece = bytearray(body[at : at + PIECE_BYTES])
            properties = Basic.Properties(
                message_id=message_id, headers={DATA: piece, AT: at, OF: len(body)}, delivery_mode=_TRANSIENT
            )
            async with self._free:
                await self._pace()
                await self._publish(properties, exchange, routing_key, mandatory=mandatory)

    async def _publish(self, properties: Basic.Properties, exchange: str, routing_key: str, *, mandatory: bool) -> None:
        connection = await broker.connect(self._settings, self._name, heartbeat_seconds=HEARTBEAT_SECONDS)
        try:
            Alarm(connection)  # which keeps aiormq from a line in the log for each
            with calling("the side door"):
                channel = await broker.wire(connection).channel(on_return_raises=True)
            publisher = ConfirmedPublisher(channel, timeout_seconds=CONFIRM_SECONDS)
            await publisher.publish(b"", properties, exchange=exchange, routing_key=routing_key, mandatory=mandatory)
        finally:
            await broker.abort(connection)  # a goodbye would wait for an answer that cannot come

    async def _pace(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = max(self._next + 1 / PER_SECOND, now)
        if self._next > now:
            await asyncio.sleep(self._next - now)


def piece_of(body: bytes, properties: Basic.Properties) -> tuple[int, int, bytes]:
    """Where this piece begins, how many bytes there are in all, and the piece. What came as ever is in one piece."""
    headers = properties.headers or {}
    data, at, of = headers.get(DATA), headers.get(AT), headers.get(OF)
    if isinstance(data, bytearray) and isinstance(at, int) and isinstance(of, int) and not body:
        return at, of, bytes(data)
    return 0, len(body), body


def body_of(body: bytes, properties: Basic.Properties) -> bytes:
    """For what is so small that it always is in one piece."""
    return piece_of(body, properties)[2]
