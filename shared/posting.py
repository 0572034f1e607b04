"""Publishes on one channel past the library: what comes in one turn of the event loop is one write to the socket.

aiormq spends 0.3 ms on a message and its confirm: objects for each frame, a lock, a queue, and three awaits for each
frame that it reads. Here the sieve hands the confirms over while it reads.
"""

import asyncio
from collections.abc import Callable

from aiormq import Channel

from shared.broker import BrokerAway, is_open
from shared.confirms import Confirms, Told
from shared.publication import packed
from shared.sieve import Sieve

MUCH_BYTES = 65_536
"""Where asyncio and uvloop, too, ask for a pause."""


class Posting:
    """Of a channel in confirm mode on which nothing was published before. `moved` is called when `full` ends."""

    def __init__(self, channel: Channel, sieve: Sieve, writer: asyncio.StreamWriter, moved: Callable[[], None]) -> None:
        self._channel = channel
        self._sieve = sieve
        self._writer = writer
        self._moved = moved
        self._confirms = Confirms()
        self._due: list[bytes] = []
        self._due_bytes = 0
        self._draining: asyncio.Task[None] | None = None
        sieve.heed(channel.number, self._confirms.heard)
        channel.closing.add_done_callback(self._on_closed)

    @property
    def full(self) -> bool:
        """More is written already than the broker reads."""
        return self._draining is not None

    def post(  # the rest as in `packed`
        self, body: bytes, message_id: str, properties: bytes, *, exchange: str, routing_key: str, mandatory: bool
    ) -> Told:
        """In the order of the calls. What is returned fails with `BrokerAway`. Raises that too, or ValueError."""
        channel = self._channel
        if not is_open(channel):
            raise BrokerAway("the channel is closed")
        frames = packed(
            channel.number,
            exchange=exchange,
            routing_key=routing_key,
            mandatory=mandatory,
            properties=properties,
            body=body,
            most=channel.max_content_size,
        )
        loop = asyncio.get_running_loop()
        told: Told = loop.create_future()
        self._confirms.await_next(message_id, told)
        if not self._due:
            loop.call_soon(self._write)
        self._due.append(frames)
        self._due_bytes += len(frames)
        if self._due_bytes > MUCH_BYTES:
            self._write()
        return told

    def _write(self) -> None:
        due, self._due, self._due_bytes = self._due, [], 0
        transport = self._writer.transport
        # On a channel that is closed, or another's by now, it would end the connection.
        if not due or transport.is_closing() or not is_open(self._channel):
            return
        transport.write(b"".join(due))
        if self._draining is None and transport.get_write_buffer_size() > MUCH_BYTES:
            self._draining = asyncio.ensure_future(self._writer.drain())
            self._draining.add_done_callback(self._on_drained)

    def _on_drained(self, drained: asyncio.Future[None]) -> None:
        self._draining = None
        if not drained.cancelled():
            drained.exception()  # the connection's end, which the channel tells
        self._moved()

    def _on_closed(self, closing: asyncio.Future[object]) -> None:
        self._sieve.heed_no_more(self._channel.number, self._confirms.heard)
        reason = None if closing.cancelled() else closing.exception()
        self._confirms.lose(str(reason) or type(reason).__name__ if reason else "the channel was closed")
