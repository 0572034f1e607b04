"""The stock JavaScript client: one Node process for each device."""

import asyncio
import base64
import fcntl
import itertools
import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.client import Client, Json, Message, Mode, Seen
from tests.support.until import until

HERE = Path(__file__).parent.parent / "e2e" / "node"
INSTALL_SECONDS = 120
LINE_BYTES = 16 * 1024 * 1024


def install(folder: Path = HERE) -> None:
    """Get the exact packages that the folder's package.json names, once. Raises when npm cannot."""
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    with (folder / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # another run of the tests beside this one may be at it
        if any(_installed(folder, name) != version for name, version in wanted.items()):
            _npm_install(folder)


def _npm_install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is needed for the end-to-end tests with the JavaScript client")
    command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True, timeout=INSTALL_SECONDS, stdout=subprocess.DEVNULL)


def _installed(folder: Path, name: str) -> str | None:
    there = folder / "node_modules" / name / "package.json"
    return json.loads(there.read_text())["version"] if there.exists() else None


@dataclass(slots=True)
class NodeClient(Client):
    """See tests/e2e/node/client.mjs for the lines that go back and forth."""

    options: dict[str, Json] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None
    _reader: asyncio.Task[None] | None = None
    _requests: "itertools.count[int]" = field(default_factory=itertools.count)
    _answers: dict[int, dict[str, Json]] = field(default_factory=dict)

    async def connect(self, url: str, token: str, *, seen: Seen | list[str] = Seen.NEVER) -> None:
        if self._process is None:
            await self._start()
        await self._tell("connect", url=url, token=token, seen=seen, options=self.options)

    async def disconnect(self) -> None:
        await self._tell("disconnect")
        await until(lambda: not self.connected, f"{self.name} disconnected")

    async def vanish(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self.end()
        self.connected = False

    async def mode(self, mode: Mode, *, value: Json = None, reason: str = "", delay_seconds: float = 0.0) -> None:
        if self._process is None:
            await self._start()
        await self._tell("mode", mode=mode, value=value, reason=reason, delay_ms=delay_seconds * 1000)

    async def confirm(self, message: str, *, value: Json = None, try_number: int = -1) -> None:
        await self._tell("confirm", id=message, value=value, try_number=try_number)

    async def send(self, to: str, data: Json, **more: Json) -> dict[str, Json]:
        return await self._ask("send", body={"to": to, "data": data, **more})

    async def renew(self, token: str) -> dict[str, Json]:
        return await self._ask("renew", token=token)

    async def end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        if process.returncode is None:
            process.kill()
        await process.wait()
        if self._reader is not None:
            await self._reader

    async def _start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            "node",
            "client.mjs",
            cwd=HERE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        self._reader = asyncio.create_task(self._read(self._process), name=f"events of {self.name}")

    async def _tell(self, command: str, **fields: Json) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"command": command, **fields}).encode() + b"\n")
        await self._process.stdin.drain()

    async def _ask(self, command: str, **fields: Json) -> dict[str, Json]:
        request = next(self._requests)
        await self._tell(command, request=request, **fields)
        await until(lambda: request in self._answers, f"an answer to {command} of {self.name}")
        return self._answers.pop(request)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self._note(json.loads(line))

    def _note(self, said: dict[str, Any]) -> None:
        match said["event"]:
            case "message":
                self.note_message(_message(said))
            case "confirmed":
                self.note_confirmed(said["id"])
            case "connect":
                self.note_connected(said["session"], said["seen"])
            case "disconnect":
                self.note_disconnected(said["reason"])
            case "connect_error" if said["final"]:
                self.refusals.append((said["message"], said["data"]))
            case "replaced":
                self.replaced += 1
            case "answer":
                self._answers[said["request"]] = said["answer"]


def _message(said: dict[str, Any]) -> Message:
    data = said["data"]
    if isinstance(data, dict) and "$binary" in data:
        data = base64.b64decode(data["$binary"])
    return Message(
        id=said["id"],
        data=data,
        type=said["type"],
        sender=said["from"],
        timestamp=said["timestamp"],
        redelivered=said["redelivered"],
        session=said["session"],
    )
