"""Acks and nacks of a channel, collected and written in order as one piece."""

import asyncio

from aiormq import Channel
from aiormq.abc import ChannelFrame
from pamqp.commands import Basic


class Flusher:
    """Writes what several channels have to settle, once per turn of the event loop."""

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
            for settlements in due:
                await settlements.flush()


class Settlements:
    """Never `multiple`: that would take leases and other users' messages along."""

    def __init__(self, flusher: Flusher) -> None:
        self._flusher = flusher
        self._channel: Channel | None = None
        self._frames: list[Basic.Ack | Basic.Nack] = []

    def attach(self, channel: Channel) -> None:
        self._channel = channel

    def ack(self, tag: int) -> None:
        self._add(Basic.Ack(delivery_tag=tag))

    def nack(self, tag: int) -> None:
        self._add(Basic.Nack(delivery_tag=tag, requeue=True))

    def _add(self, frame: Basic.Ack | Basic.Nack) -> None:
        if not self._frames:
            self._flusher.wake(self)
        self._frames.append(frame)

    async def flush(self) -> None:
        """What belongs to a channel that is gone is dropped: the broker has taken it all back."""
        frames, self._frames = self._frames, []
        if frames and self._channel is not None and not self._channel.is_closed:
            await self._channel.write_queue.put(ChannelFrame.marshall(self._channel.number, frames))
