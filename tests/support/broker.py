"""A real RabbitMQ for the tests, got in the same way as for `make run`, and a fresh virtual host for each test.

`--broker=private|docker|url` picks one kind; so one machine can run the same tests against two versions.
"""

import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from deploy.local import broker as local
from deploy.local.broker import Broker, Kind
from deploy.local.rabbitmq import Management, NoBroker

_numbers = count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=[kind.value for kind in Kind],
        default=Kind.AUTO.value,
        help="which RabbitMQ the tests use: BROKER_URL, a container, an installed server (default: the first there is)",
    )


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """One RabbitMQ for the whole run. A test that stops or kills it need not start it again."""
    home = Path(tempfile.gettempdir()) / f"restante-tests-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    for left_behind in home.iterdir():
        local.forget(left_behind)  # does nothing to a folder whose test run lives
    folder = home / str(os.getpid())
    with local.held(folder):
        try:
            found = local.find(folder, Kind(request.config.getoption("--broker")), _unheard)
        except NoBroker as err:
            pytest.skip(f"no RabbitMQ: {err}")
        try:
            yield found
        finally:
            if found.kind != Kind.URL:
                found.kill()  # nobody needs its data, and a clean stop takes seconds
            found.close()
    local.forget(folder)


@pytest.fixture
def broker_url(broker: Broker) -> Iterator[str]:
    """The address of a virtual host that only this test uses. The broker is up, whatever the test before did to it."""
    broker.start()
    if not broker.management_url:
        pytest.skip("a virtual host for each test needs the management API: set RABBITMQ_MANAGEMENT_URL")
    management = Management(broker.management_url)
    name = f"test-{os.getpid()}-{next(_numbers)}"
    management.create_vhost(name)
    yield f"{broker.url.partition(',')[0].rpartition('/')[0]}/{name}"
    broker.start()
    management.delete_vhost(name)


def _unheard(_line: str) -> None:
    """What a person would be told while waiting; the report's header says which broker it became."""
