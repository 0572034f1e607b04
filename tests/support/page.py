"""restante's own JavaScript client in a Node process: one process is one page, its storage is a file."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.node import HERE, LINE_BYTES
from tests.support.until import until

Said = dict[str, Any]


@dataclass(slots=True)
class NodePage:
    """See tests/e2e/node/restante.mjs for the lines that go back and forth. `async with` starts and kills it."""

    url: str
    user: str
    tokens: list[str]
    """Each login takes the next; the last one lasts. An empty one makes the page's login fail."""
    file: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    _process: asyncio.subprocess.Process | None = None
    _reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            "node",
            "restante.mjs",
            cwd=HERE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        self._reader = asyncio.create_task(self._read(self._process), name=f"page of {self.user}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reader is not None
        self._process.stdin.close()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reader

    async def open(self) -> None:
        """Make the client, which connects by itself."""
        file = None if self.file is None else str(self.file)
        await self.tell("open", url=self.url, user=self.user, file=file, tokens=self.tokens, options=self.options)

    async def tell(self, command: str, **fields: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command, **fields}).encode() + b"\n")
        await self._process.stdin.drain()

    async def noted(self) -> None:
        """Wait until the client has noted what its handlers said they had handled: it does so right after them, before
        the page can take the next command.
        """
        await self.tell("outbox")
        await self.says("outbox")

    def all(self, event: str, **fields: Any) -> list[Said]:
        """What was said so far of this kind."""
        wanted = {"event": event, **fields}
        return [said for said in self.said if wanted.items() <= said.items()]

    def ids(self, event: str) -> list[str]:
        return [said["id"] for said in self.all(event)]

    async def says(self, event: str, *, times: int = 1, seconds: float = 30.0, **fields: Any) -> Said:
        """Wait until it said so, and so often."""
        found = self._found(event, times, fields)
        return (await until(found, lambda: f"{event} {fields} {times} times: {self.said[-20:]}", seconds))[-1]

    def _found(self, event: str, times: int, fields: dict[str, Any]) -> Callable[[], list[Said]]:
        def found() -> list[Said]:
            there = self.all(event, **fields)
            return there if len(there) >= times else []

        return found

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self.said.append(json.loads(line))
