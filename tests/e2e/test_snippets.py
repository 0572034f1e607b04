"""Publishers without any library of ours, as the README shows them: each reaches the user who is away, and later."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deploy.local.broker import Broker
from shared.client import Client
from tests.support.node import HERE
from tests.support.services import Service, Services
from tests.support.tokens import token

SNIPPETS = Path(__file__).parent / "snippets"
RUN_SECONDS = 60.0
ALICE = "alice"


@pytest.fixture
async def gateway(services: Services) -> Service:
    """Of a broker of its own for each test, since all snippets write to alice."""
    gateway, _ = await services.pair()
    return gateway


async def came(gateway: Service) -> object:
    """The only message that waits for alice."""
    async with Client(gateway.url, token=token(ALICE)) as client, asyncio.timeout(30):
        message = await anext(client)
        await message.confirm()
        return message.data


async def run(command: list[str], **environment: str) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=SNIPPETS,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_pika(gateway: Service, broker_url: str) -> None:
    await run([sys.executable, "publish_pika.py"], BROKER_URL=broker_url)

    assert await came(gateway) == {"hello": "from pika"}


@pytest.mark.usefixtures("node")
async def test_amqplib(gateway: Service, broker_url: str, tmp_path: Path) -> None:
    # Node looks for packages beside the file.
    script = tmp_path / "publish_amqplib.mjs"
    shutil.copy(SNIPPETS / script.name, script)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")

    await run(["node", str(script)], BROKER_URL=broker_url)

    assert await came(gateway) == {"hello": "from amqplib"}


async def test_rabbitmqadmin(gateway: Service, broker: Broker, broker_url: str) -> None:
    if shutil.which("rabbitmqadmin") is None:
        pytest.skip("rabbitmqadmin is not installed")
    management, vhost = urlsplit(broker.management_url), urlsplit(broker_url).path[1:]
    options = ["-H", management.hostname or "", "-P", str(management.port), "-V", vhost]
    options += ["-u", management.username or "guest", "-p", management.password or "guest"]
    script = (SNIPPETS / "publish_rabbitmqadmin.sh").read_text().replace("publish ", " ".join(options) + " publish ", 1)

    await run(["sh", "-euc", script])

    assert await came(gateway) == {"hello": "from rabbitmqadmin"}
