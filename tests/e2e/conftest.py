"""Services, clients and publishers for one test, and their logs when it fails."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path

import pytest

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from tests.support.bound import bound_by
from tests.support.broker import virtual_host
from tests.support.client import Client
from tests.support.history import History
from tests.support.load import Bound
from tests.support.node import NodeClient, install
from tests.support.publisher import Publisher
from tests.support.python_client import PythonClient
from tests.support.scene import Scene
from tests.support.services import Service, Services

ClientKind = type[NodeClient] | type[PythonClient]
Device = Callable[..., Client]
Pair = tuple[Service, Service]

USERS = 6


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for fixture in item.funcargs.values():
            if isinstance(fixture, Services):
                report.sections += [(f"end of the log of {s.name}", s.tail()) for s in fixture.running]
    return report


@pytest.fixture(autouse=True)
async def unwatched() -> None:
    """What runs here is not the product: watching every task of it would only slow the services beside it."""
    asyncio.get_running_loop().set_debug(False)


@pytest.fixture(scope="session")
def node() -> None:
    """The JavaScript client is installed."""
    try:
        install()
    except FileNotFoundError as err:
        pytest.skip(str(err))


@pytest.fixture
async def services(broker_url: str, tmp_path: Path) -> AsyncIterator[Services]:
    """For tests that start and end services themselves."""
    started = Services(broker_url, tmp_path)
    yield started
    await started.end()


@pytest.fixture(scope="module")
def lasting(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services that the tests of one file share."""
    with virtual_host(broker) as url:
        started = Services(url, tmp_path_factory.mktemp("services"))
        yield started
        asyncio.run(started.end())


@pytest.fixture(scope="module")
def lasting_pair(lasting: Services) -> Pair:
    """A gateway and a dispatcher for all tests of one file: none of them may end or freeze one."""
    return asyncio.run(lasting.pair())


@pytest.fixture
def gateway(lasting_pair: Pair, lasting: Services) -> Service:
    """Asks for `lasting` too, so that a test that fails shows its logs."""
    return lasting_pair[0]


@pytest.fixture
def history() -> History:
    return []


@pytest.fixture
async def publisher(request: pytest.FixtureRequest, history: History) -> AsyncIterator[Publisher]:
    """Connected to the broker that the test's services use, before they are there."""
    shared = "lasting" in request.fixturenames
    url = request.getfixturevalue("lasting").broker_url if shared else request.getfixturevalue("broker_url")
    async with Publisher(url, history) as connected:
        yield connected


@pytest.fixture(params=[NodeClient, PythonClient], ids=["node", "python"])
def kind(request: pytest.FixtureRequest) -> ClientKind:
    """For tests that every client library must pass."""
    chosen: ClientKind = request.param
    return chosen


@pytest.fixture
async def device(node: None, history: History) -> AsyncIterator[Device]:
    """Makes devices, the stock JavaScript client unless told otherwise: `device("phone", alice)`."""
    made: list[Client] = []

    def make(name: str, user: str, kind: ClientKind = NodeClient) -> Client:
        made.append(kind(f"{name} of {user}", user, history))
        return made[-1]

    yield make
    for client in made:
        await client.end()


@pytest.fixture
def alice() -> str:
    """A user whom no other test knows."""
    return f"alice.{uuid.uuid4().hex[:8]}"


@pytest.fixture
def bob() -> str:
    return f"bob.{uuid.uuid4().hex[:8]}"


@pytest.fixture
def bound(broker: Broker, broker_url: str) -> Bound:
    """Waits until a user's queue is bound to `messages`; before that they go by way of `unrouted`."""
    return bound_by(Management(broker.management_url), broker_url)


@pytest.fixture
def scene(services: Services, device: Device, alice: str, history: History, bound: Bound) -> Scene:
    clients = [device("phone", f"{alice}.{n}", NodeClient if n % 2 else PythonClient) for n in range(USERS)]
    return Scene(services, clients, history, bound)
