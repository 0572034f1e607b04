"""A bare AMQP connection: frames in, frames out, in the order of the wire.

The client libraries keep returns, confirms and deliveries apart and hand them to tasks; the contract is
about their order, so it reads them itself.
"""

import asyncio
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from pamqp import body, commands, frame, header
from pamqp.base import Frame
from pamqp.common import FieldTable

Received = Frame | header.ContentHeader | body.ContentBody
_FRAME_HEAD_BYTES = 7
_CAPABILITIES: FieldTable = {
    "consumer_cancel_notify": True,
    "publisher_confirms": True,
    "basic.nack": True,
    "connection.blocked": True,
}


class Wire:
    """`receivers` has, by channel number, who is called with each frame. `lost` is set when the broker is gone,
    `blocked` when it does not read from this connection any more, being short of memory or disk.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._reading: asyncio.Task[None] | None = None
        self.receivers: dict[int, Callable[[Received], None]] = {}
        self.lost = asyncio.Event()
        self.blocked = asyncio.Event()

    @classmethod
    async def open(cls, url: str) -> "Wire":
        parts = urlsplit(url)
        wire = cls(*await asyncio.open_connection(parts.hostname, parts.port or 5672))
        wire._writer.write(header.ProtocolHeader().marshal())
        await wire._read()
        login = f"\0{unquote(parts.username or 'guest')}\0{unquote(parts.password or 'guest')}"
        wire.write(0, commands.Connection.StartOk({"capabilities": _CAPABILITIES}, response=login))
        _, tune = await wire._read()
        assert isinstance(tune, commands.Connection.Tune), tune
        wire.write(0, commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0))
        wire.write(0, commands.Connection.Open(unquote(parts.path[1:]) or "/"))
        _, opened = await wire._read()
        assert isinstance(opened, commands.Connection.OpenOk), opened
        wire._reading = asyncio.create_task(wire._read_all())
        return wire

    def write(self, channel: int, *frames: Received) -> None:
        for each in frames:
            self._writer.write(frame.marshal(each, channel))

    async def close(self) -> None:
        """Returns when the broker has said CloseOk, or is gone. Idempotent."""
        if not self.lost.is_set():
            self.write(0, commands.Connection.Close(200, "goodbye", 0, 0))
        await self._ended()

    async def cut(self) -> None:
        self._writer.transport.abort()
        await self._ended()

    async def _ended(self) -> None:
        if self._reading is not None:
            await asyncio.wait_for(self._reading, 10)
        self._writer.transport.abort()

    async def _read(self) -> tuple[int, Received]:
        head = await self._reader.readexactly(_FRAME_HEAD_BYTES)
        rest = await self._reader.readexactly(int.from_bytes(head[3:7]) + 1)
        _, channel, received = frame.unmarshal(head + rest)
        assert isinstance(received, Received), received
        return channel, received

    async def _read_all(self) -> None:
        try:
            while True:
                channel, received = await self._read()
                if channel:
                    self.receivers[channel](received)
                elif isinstance(received, commands.Connection.Blocked):
                    self.blocked.set()
                elif isinstance(received, commands.Connection.CloseOk | commands.Connection.Close):
                    return
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            self.lost.set()
