"""NATS JetStream: a file store, a durable consumer for each user, the server itself serves the clients by WebSocket."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy.local.ports import free
from tests.bench.load.jetstream import DELIVERED
from tests.bench.systems.child import END_SECONDS, START_SECONDS
from tests.bench.systems.system import System
from tests.support.until import until

SETTINGS = """listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{folder}" }}
websocket {{ listen: "127.0.0.1:{web_port}", no_tls: true }}
"""


def server() -> str | None:
    """None where Debian's package `nats-server` is not installed."""
    return shutil.which("nats-server", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")


def version() -> str:
    """Empty where there is none."""
    command = server()
    return subprocess.check_output([command, "--version"], text=True).strip().split("v")[-1] if command else ""


@asynccontextmanager
async def nats(folder: Path, *, shared: bool) -> AsyncIterator[System]:
    """A server of its own, whose data go with it. `shared`: one stream for all, of which each consumer takes a part."""
    command, (port, web_port), log = server(), free(2), folder / "nats.log"
    assert command is not None, "no nats-server is installed"
    with tempfile.TemporaryDirectory(dir=folder, prefix="nats-") as store:
        settings = Path(store) / "settings"
        settings.write_text(SETTINGS.format(port=port, web_port=web_port, folder=store))
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                command, "-c", str(settings), stdin=asyncio.subprocess.DEVNULL, stdout=errors, stderr=errors
            )
        try:
            await until(lambda: "Server is ready" in log.read_text(), log.read_text, START_SECONDS)
            yield System(
                name="NATS, one stream" if shared else "NATS JetStream",
                protocol="nats",
                ports=[web_port],
                broker_url=f"nats://127.0.0.1:{port}",
                exchange="user.*" if shared else "",
                key=lambda user: f"user.{user}",
                queue=lambda user: f"{'all' if shared else user}.{user}",
                login=lambda user: f"{DELIVERED}{user}",
                pids={"broker": process.pid},
            )
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), END_SECONDS)
