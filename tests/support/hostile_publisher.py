"""A publisher that writes its own AMQP frames, so that it can say what no library would let it say."""

import struct
from typing import Self

from pamqp import body, commands, header
from pamqp.commands import Basic

from shared.decoding import read_whatever_comes
from shared.names import MESSAGES
from tests.integration.contract.wire import Received, Wire
from tests.support.until import until

PART_BYTES = 100_000
WORD_SECONDS = 30.0


class Raw(Basic.Properties):
    """Properties as they are on the wire."""

    def __init__(self, flags: int, written: bytes) -> None:
        super().__init__()
        self._written = struct.pack(">H", flags) + written

    def marshal(self) -> bytes:
        return self._written

    def __repr__(self) -> str:
        return f"Raw({self._written!r})"


class Hostile:
    """`refused` is what the broker closed its last channel or connection for. `async with` closes it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._wire: Wire | None = None
        self._channel = 0
        self._is_open = False
        self._confirmed = 0
        self._published = 0
        self.refused = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._wire is not None:
            await self._wire.close()

    async def publish(self, user: str, said: bytes, properties: Basic.Properties) -> bool:
        """Whether the broker holds it; else it has said in `refused` why not. Raises `TooLate` when it says nothing."""
        wire = await self._opened()
        self._published += 1
        wire.write(self._channel, Basic.Publish(0, MESSAGES, user), header.ContentHeader(0, len(said), properties))
        for at in range(0, len(said), PART_BYTES):
            wire.write(self._channel, body.ContentBody(said[at : at + PART_BYTES]))
        await until(
            lambda: self._confirmed == self._published or not self._is_open or wire.lost.is_set(),
            lambda: f"the broker's word on {properties} {said[:200]!r}",
            WORD_SECONDS,
            step_seconds=0.001,
        )
        if wire.lost.is_set():
            await wire.cut()
            self.refused = self.refused or "the connection"
            self._is_open, self._wire = False, None
        return self._confirmed == self._published

    async def _opened(self) -> Wire:
        if self._wire is None:
            read_whatever_comes()  # the broker repeats to a publisher what it refuses, byte for byte
            self._wire, self._channel = await Wire.open(self._url), 0
        if not self._is_open:
            self._channel += 1
            self._wire.receivers[self._channel] = self._hear
            self._wire.write(self._channel, commands.Channel.Open(), commands.Confirm.Select())
            self._is_open, self._confirmed, self._published, self.refused = True, 0, 0, ""
        return self._wire

    def _hear(self, received: Received) -> None:
        match received:
            case Basic.Ack(delivery_tag=tag):
                self._confirmed = max(self._confirmed, tag or 0)
            case commands.Channel.Close(reply_text=text):
                self.refused = text or "closed"
                self._is_open = False
                if self._wire is not None:
                    self._wire.write(self._channel, commands.Channel.CloseOk())
