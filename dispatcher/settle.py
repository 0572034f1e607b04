"""What needs no answer of the broker, in order, that of all channels written as one piece per turn of the event loop.

aiormq 7.2 writes what is put into its `write_queue` in the order of the queue, whatever it is; an ack by its own
`basic_ack` is a frame built by pamqp and an entry in that queue each, a consume also a task and a wait for the answer.
"""

import asyncio
from struct import Struct

from aiormq import Channel
from aiormq.abc import ChannelFrame

from shared.broker import is_open

_METHOD, _END = 1, 0xCE
_BASIC, _CONSUME, _ACK, _NACK = 60, 20, 80, 120
_ONE_ONLY, _REQUEUE = 0, 2  # the bits after the delivery tag; 1 would be `multiple`
_NO_WAIT, _NO_ARGUMENTS = 8, 0
_PAYLOAD_BYTES = 13

# AMQP 0-9-1: type, channel, size; class, method, delivery tag, bits; end.
_frame = Struct(">BHIHHQBB").pack
_head, _method, _tail = Struct(">BHI").pack, Struct(">HHH").pack, Struct(">BI").pack


class Flusher:
    """For the channels of one connection."""

    def __init__(self) -> None:
        self._due: dict[Settlements, None] = {}
        self._woken = asyncio.Event()

    def wake(self, settlements: "Settlements") -> None:
        self._due[settlements] = None
        self._woken.set()

    async def run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            due, self._due = self._due, {}
            await _write(list(due))


class Settlements:
    """Never `multiple`: that would take leases and other users' messages along."""

    def __init__(self, flusher: Flusher) -> None:
        self._flusher = flusher
        self._channel: Channel | None = None
        self._frames = bytearray()

    def attach(self, channel: Channel) -> None:
        """Before anything is settled: a delivery has come on it."""
        self._channel = channel

    @property
    def channel(self) -> Channel | None:
        return self._channel

    def ack(self, tag: int) -> None:
        self._add(_ACK, tag, _ONE_ONLY)

    def nack(self, tag: int) -> None:
        self._add(_NACK, tag, _REQUEUE)

    def consume(self, queue: str, consumer_tag: str) -> None:
        """The broker does not answer: it delivers, or closes the channel."""
        names = b"".join(bytes((len(name),)) + name for name in (queue.encode(), consumer_tag.encode()))
        payload = _method(_BASIC, _CONSUME, 0) + names + _tail(_NO_WAIT, _NO_ARGUMENTS)
        if self._channel is not None:
            self._write_soon(_head(_METHOD, self._channel.number, len(payload)) + payload + bytes((_END,)))

    def _add(self, method: int, tag: int, bits: int) -> None:
        if self._channel is not None:
            self._write_soon(_frame(_METHOD, self._channel.number, _PAYLOAD_BYTES, _BASIC, method, tag, bits, _END))

    def _write_soon(self, frame: bytes) -> None:
        if not self._frames:
            self._flusher.wake(self)
        self._frames += frame

    async def flush(self) -> None:
        """Writes what has been settled so far on this channel."""
        await _write([self])

    def take(self) -> bytes:
        """What belongs to a channel that is gone is dropped: the broker has taken it all back."""
        frames, self._frames = bytes(self._frames), bytearray()
        return frames if self._channel is not None and is_open(self._channel) else b""


async def _write(some: list[Settlements]) -> None:
    queue = next((found.channel.write_queue for found in some if found.channel is not None), None)
    if queue is None:
        return
    # Once there is room nothing suspends until it is written: else a channel could close in between.
    while queue.full():
        await queue.join()
    if payload := b"".join([settlements.take() for settlements in some]):
        queue.put_nowait(ChannelFrame(payload=payload, should_close=False))
