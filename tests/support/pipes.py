"""A TCP proxy: what comes in on one port goes on to another, both ways, until somebody cuts it."""

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65536

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pipes:
    """`async with` opens and closes it. Where each connection goes to is for the heirs to say."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        """`port` 0: anywhere. `tls`: what it is to those who connect; to the targets it speaks plainly."""
        self._wanted = port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._pipes: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def opened(self) -> int:
        """How many connections there are now."""
        return len(self._pipes)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._wanted, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()
        await self._server.wait_closed()

    async def cut(self) -> None:
        """Break every connection there is, without a goodbye."""
        pipes = list(self._pipes)
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)

    async def far(self, reader: asyncio.StreamReader) -> Stream:
        """Where a new connection goes. Raises OSError or EOFError when there is no way."""
        raise NotImplementedError

    async def back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What the target says, to who connected, until its end."""
        await self.copy(reader, writer)

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One way, until its end."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                writer.write(chunk)
                await writer.drain()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Not a coroutine, so that from its first moment on no connection is unknown to `cut`."""
        pipe = asyncio.create_task(self._join(reader, writer))
        self._pipes.add(pipe)

        def ended(pipe: "asyncio.Task[None]") -> None:  # also of a task that was cancelled before it ran
            self._pipes.discard(pipe)
            writer.transport.abort()

        pipe.add_done_callback(ended)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy both ways until either side ends; then both end."""
        try:
            far_reader, far_writer = await self.far(reader)
        except (OSError, EOFError):
            return  # nobody is there, or not any more: who connected is told by the end
        ways = [asyncio.create_task(self.copy(reader, far_writer)), asyncio.create_task(self.back(far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            far_writer.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)
