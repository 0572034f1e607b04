"""Many clients in a process of their own, and what it says."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LINE_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class Crowd:
    """The process of the clients."""

    process: asyncio.subprocess.Process
    said: dict[str, object] = field(default_factory=dict)

    def number(self, key: str) -> int:
        value = self.said.get(key, 0)
        assert isinstance(value, int)
        return value

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said = json.loads(line)


@asynccontextmanager
async def crowd(port: int, tokens: list[str]) -> AsyncIterator[Crowd]:
    """Clients that connect, and receive and confirm until the block ends; then `said` has all they saw."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.clients", stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=LINE_BYTES
    )
    there = Crowd(process)
    reading = asyncio.create_task(there.read())
    assert process.stdin is not None
    process.stdin.write(json.dumps({"port": port, "tokens": tokens}).encode() + b"\n")
    try:
        yield there
    finally:
        process.stdin.write(b"stop\n")
        await reading
        await process.wait()
