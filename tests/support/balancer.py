"""One address in front of several: each connection goes to the first target that accepts it, and can be cut."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65536


@dataclass(slots=True)
class Balancer:
    """A TCP proxy. `async with` opens and closes it."""

    ports: list[int]
    port: int = 0
    """Where it listens; 0: anywhere."""
    by_turns: bool = False
    """The first target is another one each time."""
    tls: ssl.SSLContext | None = None
    """What it is to those who connect; to the targets it speaks plainly."""
    _server: asyncio.Server | None = None
    _pipes: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listens}"

    @property
    def listens(self) -> int:
        """The port."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self.tls)
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

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.by_turns:
            self.ports = [*self.ports[1:], *self.ports[:1]]
        for port in self.ports:
            with contextlib.suppress(OSError):
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
                pipe = asyncio.create_task(_join((reader, writer), (far_reader, far_writer)))
                self._pipes.add(pipe)
                pipe.add_done_callback(self._pipes.discard)
                return
        writer.transport.abort()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(near: Stream, far: Stream) -> None:
    """Copy both ways until either side ends, then end both."""
    ways = [asyncio.create_task(_copy(near[0], far[1])), asyncio.create_task(_copy(far[0], near[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        near[1].transport.abort()
        far[1].transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
