"""Devices of both libraries over both transports, and the history of what happens to them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.client import Client
from tests.support.containers import Installation, installed
from tests.support.history import History
from tests.support.node import NodeClient, install
from tests.support.python_client import PythonClient

POLLING = ("polling",)
GATEWAYS, DISPATCHERS = 3, 2


@pytest.fixture(autouse=True)
async def unwatched() -> None:
    """What runs here is not the product: watching every task of it would only slow the containers beside it."""
    asyncio.get_running_loop().set_debug(False)


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One for all tests but those of the cluster. Whoever breaks something of it mends it."""
    folder = tmp_path_factory.mktemp("installation")
    with installed(folder, GATEWAYS=str(GATEWAYS), DISPATCHERS=str(DISPATCHERS)) as running:
        yield running


@pytest.fixture
def history() -> History:
    return []


@pytest.fixture
async def devices(history: History) -> AsyncIterator[list[Client]]:
    """Six users with a device each: the stock JavaScript client and the Python one, over WebSocket and long-polling."""
    install()
    mark = uuid.uuid4().hex[:6]
    polling = {"transports": list(POLLING), "withCredentials": True}
    made: list[Client] = [
        NodeClient("browser", f"alice.{mark}", history),
        NodeClient("old browser", f"bob.{mark}", history, options=polling),
        PythonClient("script", f"carol.{mark}", history),
        PythonClient("old script", f"dave.{mark}", history, transports=POLLING),
        NodeClient("browser", f"erin.{mark}", history),
        NodeClient("old browser", f"frank.{mark}", history, options=polling),
    ]
    yield made
    for client in made:
        await client.end()
