"""The clients' processes as the suite sees them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.bench.cpu import cpu_seconds
from tests.bench.systems.system import System
from tests.support.until import until

LINE_BYTES = 256 * 1024 * 1024
MOST_IN_A_PROCESS = 5_000
LIMIT_SECONDS = 300.0


class _Process:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.state: dict[str, int] = {}
        self.reports: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word.encode() + b"\n")

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            said = json.loads(line)
            if "state" in said:
                self.state = said["state"]
            else:
                self.reports.put_nowait(said["report"])


class Crowd:
    """Clients of one system. What it asks of one process it asks of all."""

    def __init__(self, processes: list[_Process], size: int) -> None:
        self._processes = processes
        self.size = size

    def number(self, key: str) -> int:
        return sum(process.state.get(key, 0) for process in self._processes)

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds(process.process.pid) for process in self._processes)

    def tell(self, word: str) -> None:
        for process in self._processes:
            process.tell(word)

    async def connect(self) -> None:
        """One after the other."""
        self.tell("arrive")
        await self.reaches("online", self.size)

    async def reaches(self, key: str, count: int, seconds: float = LIMIT_SECONDS) -> None:
        """Wait until so many are counted; the number of lost connections is told where it comes to nothing."""
        await until(lambda: self.number(key) >= count, self._short_of(key, count), seconds)

    async def report(self) -> dict[str, Any]:
        """Numbers added up, lists put together; `marks` only of the first process."""
        self.tell("report")
        said = [await process.reports.get() for process in self._processes]
        merged: dict[str, Any] = {"marks": said[0].pop("marks"), "began": min(each.pop("began") for each in said)}
        for key, value in said[0].items():
            empty: Any = [] if isinstance(value, list) else 0
            merged[key] = sum((each.get(key, empty) for each in said), empty)
        return merged

    def _short_of(self, key: str, count: int) -> Callable[[], str]:
        def say() -> str:
            counts = {name: self.number(name) for name in self._processes[0].state}
            return f"{key} {count}; there is {counts}"

        return say


@asynccontextmanager
async def crowd(
    system: System, users: list[str], *, hold: bool = False, marks: list[int] | None = None
) -> AsyncIterator[Crowd]:
    """Clients that are not connected yet. `hold`: they keep their confirmations until `go_on`."""
    count = -(-len(users) // MOST_IN_A_PROCESS)
    processes: list[_Process] = []
    reading: list[asyncio.Task[None]] = []
    try:
        for part in range(count):
            mine = users[part::count]
            wanted = {
                "protocol": system.protocol,
                "host": system.host,
                "hold": hold,
                "marks": marks or [],
                "watched": system.pids if marks else {},
                "clients": [(system.ports[n % len(system.ports)], system.login(user)) for n, user in enumerate(mine)],
            }
            command = (sys.executable, "-m", "tests.bench.load.clients")
            started = _Process(
                await asyncio.create_subprocess_exec(
                    *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=LINE_BYTES
                )
            )
            processes.append(started)
            reading.append(asyncio.create_task(started.read(), name="what clients say"))
            started.tell(json.dumps(wanted))
        yield Crowd(processes, len(users))
    finally:
        for process in processes:
            if process.process.returncode is None:
                process.tell("stop")
        for process, task in zip(processes, reading, strict=False):
            await task
            await process.process.wait()
