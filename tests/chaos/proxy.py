"""A network that can be broken: a TCP proxy between two parts, cut, black-holed, slowed, or torn in mid-frame."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65536


class Weather(Enum):
    """BLACK_HOLE: nothing is refused, nothing is answered. GONE: whoever comes is cut at once."""

    FAIR = auto()
    BLACK_HOLE = auto()
    GONE = auto()


@dataclass(slots=True)
class Proxy:
    """`async with` opens and closes it. `target` may change: who connects later gets the new one."""

    target: int
    delay_seconds: float = 0.0
    """How late each chunk is, in each direction."""
    weather: Weather = Weather.FAIR
    tearing: bool = False
    """The next chunk of each connection is cut in two, and the connection with it."""
    _server: asyncio.Server | None = None
    _pipes: set["asyncio.Task[None]"] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
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

    def become(self, weather: Weather) -> None:
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pipe = asyncio.create_task(self._join(reader, writer))
        self._pipes.add(pipe)
        pipe.add_done_callback(self._pipes.discard)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copy both ways until either side ends, then end both."""
        far: asyncio.StreamWriter | None = None
        ways: list[asyncio.Task[None]] = []
        try:
            await self._fair()
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
            ways = [asyncio.create_task(self._copy(reader, far)), asyncio.create_task(self._copy(far_reader, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except OSError:
            pass  # nobody is there, or not any more: the other side is told below
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()
            if far is not None:
                far.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                await self._fair()
                if self.tearing and len(chunk) > 1:
                    writer.write(chunk[: len(chunk) // 2])
                    await writer.drain()
                    return
                writer.write(chunk)
                await writer.drain()

    async def _fair(self) -> None:
        """Waits out a black hole. Raises ConnectionResetError when there is no way."""
        while self.weather is Weather.BLACK_HOLE:
            await self._changed.wait()
        if self.weather is Weather.GONE:
            raise ConnectionResetError
