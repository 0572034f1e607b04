"""What Docker asks inside a container, as it asks: by its own process, of a real server."""

import asyncio
import sys
from pathlib import Path

import pytest

from shared.http import HealthApp, serve
from shared.settings import ListenAddress

SCRIPT = Path(__file__).parents[2] / "deploy/healthcheck.py"


async def asked(path: str, **environment: str) -> int:
    """The exit code."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-S", str(SCRIPT), path, env=environment)
    return await process.wait()


@pytest.mark.parametrize("setting", ["GATEWAY_ADMIN_LISTEN", "DISPATCHER_LISTEN"])
async def test_it_asks_whichever_service_is_there_by_its_own_setting(setting: str) -> None:
    async with serve(HealthApp(lambda: True), ListenAddress("127.0.0.1", 0)) as port:
        # As in a container: on every interface, while the other service is nowhere.
        listening = {
            "GATEWAY_ADMIN_LISTEN": "127.0.0.1:1",
            "DISPATCHER_LISTEN": "127.0.0.1:1",
            setting: f"0.0.0.0:{port}",
        }

        assert await asked("/readyz", **listening) == 0
        assert await asked("/healthz", **listening) == 0


async def test_a_service_that_lives_and_cannot_serve_is_alive_and_not_ready() -> None:
    async with serve(HealthApp(lambda: False), ListenAddress("127.0.0.1", 0)) as port:
        listening = {"GATEWAY_ADMIN_LISTEN": f"127.0.0.1:{port}", "DISPATCHER_LISTEN": "127.0.0.1:1"}

        assert await asked("/healthz", **listening) == 0
        assert await asked("/readyz", **listening) == 1


async def test_nobody_there_is_not_healthy() -> None:
    assert await asked("/healthz", GATEWAY_ADMIN_LISTEN="127.0.0.1:1", DISPATCHER_LISTEN="127.0.0.1:1") == 1
