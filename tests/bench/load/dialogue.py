"""A connection of the publisher to a broker: bytes out, and a task that reads what comes."""

import asyncio
from urllib.parse import urlsplit


class Dialogue:
    writer: asyncio.StreamWriter
    _reader: asyncio.StreamReader
    _reading: asyncio.Task[None] | None = None

    async def _begin(self, url: str, hello: bytes) -> None:
        parts = urlsplit(url)
        self._reader, self.writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**20)
        self.writer.write(hello)
        self._reading = asyncio.create_task(self._read(), name="what the broker says")

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            self.writer.close()

    async def _read(self) -> None:
        """Until it is cancelled, or the connection ends."""
        raise NotImplementedError
