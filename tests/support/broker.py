"""A real RabbitMQ for the tests, got in the same way as for `make run`, and a fresh virtual host for each test.

`--broker=private|docker|url` picks one kind; so one machine can run the same tests against two versions.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from deploy.local import broker as local
from deploy.local.broker import Broker, Kind
from deploy.local.rabbitmq import Management, NoBroker

_numbers = count(1)
_found = pytest.StashKey[str]()
_USING = {"broker", "rabbit"}
"""`rabbit` asks for the broker only when it is called, and is held to what it does beside it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=[kind.value for kind in Kind],
        default=Kind.AUTO.value,
        help="which RabbitMQ the tests use: BROKER_URL, a container, an installed server (default: the first there is)",
    )
    parser.addoption(
        "--only-with-broker",
        action="store_true",
        help="leave out what does not use it: the second of two runs against two versions needs no more",
    )
    parser.addoption("--without-broker", action="store_true", help="leave out what uses it: the rest of those runs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    only, without = config.getoption("--only-with-broker"), config.getoption("--without-broker")
    if only or without:
        kept = [only != _USING.isdisjoint(getattr(item, "fixturenames", ())) for item in items]
        config.hook.pytest_deselected(items=[item for item, keep in zip(items, kept, strict=True) if not keep])
        items[:] = [item for item, keep in zip(items, kept, strict=True) if keep]


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """One RabbitMQ for the whole run. A test that stops or kills it need not start it again."""
    home = Path(tempfile.gettempdir()) / f"restante-tests-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    _sweep(home)
    folder = home / str(os.getpid())
    try:
        with local.held(folder):
            found = local.find(folder, Kind(request.config.getoption("--broker")), _unheard)
            request.config.stash[_found] = f"RabbitMQ {found.version or 'of unknown version'} ({found.kind})"
            try:
                yield found
            finally:
                if found.kind != Kind.URL:
                    found.kill()  # nobody needs its data, and a clean stop takes seconds
                found.close()
    except NoBroker as err:
        pytest.skip(f"no RabbitMQ: {err}")
    finally:
        local.forget(folder)


@pytest.fixture
def broker_url(broker: Broker) -> Iterator[str]:
    """The address of a virtual host that only this test uses. The broker is up, whatever the test before did to it."""
    with virtual_host(broker) as url:
        yield url


@contextmanager
def virtual_host(broker: Broker) -> Iterator[str]:
    """The address of a fresh virtual host, which is deleted afterwards."""
    broker.start()
    if not broker.management_url:
        pytest.skip("a virtual host for each test needs the management API: set RABBITMQ_MANAGEMENT_URL")
    management = Management(broker.management_url)
    name = f"test-{os.getpid()}-{next(_numbers)}"
    management.create_vhost(name)
    try:
        yield f"{broker.url.partition(',')[0].rpartition('/')[0]}/{name}"
    finally:
        broker.start()
        management.delete_vhost(name)


def _unheard(_line: str) -> None:
    """What a person would be told while waiting; the summary says which broker it became."""


def _sweep(home: Path) -> None:
    """Ends and deletes what earlier runs left behind; does nothing to a folder whose run lives."""
    for left_behind in home.iterdir():
        local.forget(left_behind)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if found := config.stash.get(_found, ""):
        terminalreporter.write_line(f"broker: {found}")
