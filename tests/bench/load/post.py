"""The publisher's process as the suite sees it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared.names import RECEIPTS
from tests.bench.cpu import cpu_seconds
from tests.bench.load.crowd import LINE_BYTES
from tests.bench.systems.system import System

STEP_SECONDS = 0.1
CONSUMERS_SECONDS = 120.0


class Post:
    """Publishes to the users of one system."""

    def __init__(self, system: System, process: asyncio.subprocess.Process) -> None:
        self._system, self._process = system, process

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self._process.pid)

    async def backlog(self, users: list[str], each: int, *, receipts: bool = False) -> dict[str, Any]:
        return await self._ask("backlog", keys=self._keys(users), each=each, receipts=receipts)

    async def steady(self, users: list[str], rate: float, seconds: float) -> dict[str, Any]:
        every = 10 if self._system.receipts else 0
        return await self._ask("steady", keys=self._keys(users), rate=rate, seconds=seconds, receipt_every=every)

    async def settled(self) -> dict[str, Any]:
        return await self._ask("settled")

    async def free(self, users: list[str]) -> int:
        """Wait until nobody consumes these users' queues; how many messages are left in them."""
        return await self._consumed(users, 0)

    async def served(self, users: list[str]) -> None:
        """Wait until each of these users' queues is consumed."""
        await self._consumed(users, len(users))

    async def declare(self, users: list[str], arguments: dict[str, Any]) -> float:
        """Make durable queues as the system would; how many seconds it took."""
        system = self._system
        bound = [(system.queue(user), system.exchange, system.key(user)) for user in users]
        return float((await self._ask("declare", bound=bound, arguments=arguments))["seconds"])

    async def _consumed(self, users: list[str], consumers: int) -> int:
        """Wait for so many consumers; how many messages are ready then."""
        deadline = asyncio.get_running_loop().time() + CONSUMERS_SECONDS
        while True:
            found = await self._ask("count", queues=[self._system.queue(user) for user in users])
            if found["consumers"] == consumers:
                return int(found["ready"])
            assert asyncio.get_running_loop().time() < deadline, f"{found['consumers']} consumers, not {consumers}"
            await asyncio.sleep(STEP_SECONDS)

    async def _ask(self, do: str, **fields: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
        line = await self._process.stdout.readline()
        assert line, "the publisher ended"
        said: dict[str, Any] = json.loads(line)
        return said

    def _keys(self, users: list[str]) -> list[str]:
        return [self._system.key(user) for user in users]


@asynccontextmanager
async def post(system: System) -> AsyncIterator[Post]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.load.publisher"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=LINE_BYTES,
    )
    assert process.stdin is not None
    receipts = RECEIPTS if system.receipts else ""
    first = {"url": system.broker_url, "exchange": system.exchange, "receipts": receipts}
    process.stdin.write(json.dumps(first).encode() + b"\n")
    try:
        yield Post(system, process)
    finally:
        process.stdin.close()
        await process.wait()
