"""A network that can be broken: a TCP proxy between two parts, cut, black-holed, slowed, or torn in mid-frame."""

import asyncio
import contextlib
from enum import Enum, auto

from tests.support.pipes import CHUNK_BYTES, Pipes, Stream


class Weather(Enum):
    """BLACK_HOLE: nothing is refused, nothing is answered. GONE: whoever comes is cut at once."""

    FAIR = auto()
    BLACK_HOLE = auto()
    GONE = auto()


class Proxy(Pipes):
    """`target` may change: who connects later gets the new one."""

    def __init__(self, target: int) -> None:
        super().__init__()
        self.target = target
        self.delay_seconds = 0.0
        """How late each chunk is, in each direction."""
        self.weather = Weather.FAIR
        self.tearing = False
        """The next chunk of each connection is cut in two, and the connection with it."""
        self._changed = asyncio.Event()

    def become(self, weather: Weather) -> None:
        self.weather = weather
        self._changed.set()
        self._changed = asyncio.Event()

    async def far(self, _: asyncio.StreamReader) -> Stream:
        await self._fair()
        return await asyncio.open_connection("127.0.0.1", self.target)

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
