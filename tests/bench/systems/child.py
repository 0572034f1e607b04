"""A server of the comparison as a process, which says its port in its first line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

START_SECONDS = 30.0
END_SECONDS = 10.0


@asynccontextmanager
async def child(*command: str, log: Path, folder: Path | None = None) -> AsyncIterator[tuple[int, int]]:
    """Pid and port."""
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=errors
        )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        assert line.strip().isdigit(), f"{command[0]} said {line!r}: {log.read_text(errors='replace')[-2000:]}"
        yield process.pid, int(line)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), END_SECONDS)
