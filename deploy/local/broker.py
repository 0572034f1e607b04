"""Gets a RabbitMQ, the first of these that can be had.

BROKER_URL if it is set; a container, if a Docker engine answers; an installed rabbitmq-server; Debian's package.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from deploy.local import debian
from deploy.local.child import end_leftovers
from deploy.local.node import Node
from deploy.local.rabbitmq import Management, NoBroker


class Kind(StrEnum):
    AUTO = "auto"
    URL = "url"
    DOCKER = "docker"
    PRIVATE = "private"


class Broker(Protocol):
    """`management_url` holds user and password; it is empty where there is none."""

    kind: str
    url: str
    management_url: str
    version: str

    def running(self) -> bool: ...

    def start(self) -> None:
        """Idempotent; returns when it is up. Raises NoBroker."""

    def stop(self) -> None:
        """A clean stop; the data stay. Idempotent."""

    def kill(self) -> None:
        """As in a crash; the data stay. Idempotent."""

    def close(self) -> None:
        """Ends it for good; the data stay. Idempotent."""


class Given:
    """A broker that somebody else runs, by BROKER_URL and RABBITMQ_MANAGEMENT_URL."""

    kind = "url"

    def __init__(self, url: str) -> None:
        self.url = url
        self.management_url = os.environ.get("RABBITMQ_MANAGEMENT_URL", "")
        self.version = ""

    def running(self) -> bool:
        return True

    def start(self) -> None:
        if not self.management_url:
            # The usual place; without it nothing but the tests' virtual hosts is missing.
            parts = urlsplit(self.url.partition(",")[0])
            scheme, port = ("https", 15671) if parts.scheme == "amqps" else ("http", 15672)
            login = f"{parts.username or 'guest'}:{parts.password or 'guest'}"
            self.management_url = f"{scheme}://{login}@{parts.hostname}:{port}/"
        try:
            self.version = Management(self.management_url).version()
        except OSError:
            self.management_url = ""

    def stop(self) -> None:
        raise NoBroker("the broker at BROKER_URL is not ours to stop")

    kill = stop

    def close(self) -> None:
        """Not ours to end."""


def find(folder: Path, kind: Kind, say: Callable[[str], None]) -> Broker:
    """A running broker whose data live in `folder` (see `held`). Raises NoBroker with what to do about it."""
    url = os.environ.get("BROKER_URL", "")
    if kind is Kind.URL and not url:
        raise NoBroker("BROKER_URL is not set")
    if url and kind in (Kind.AUTO, Kind.URL):
        return _started(Given(url), say)
    if kind in (Kind.AUTO, Kind.DOCKER):
        try:
            return _started(_container(folder, say), say)
        except NoBroker as err:
            if kind is Kind.DOCKER:
                raise
            say(f"No RabbitMQ in a container ({str(err).splitlines()[0]}); trying an installed rabbitmq-server.")
    server = debian.server() or debian.install_server(say)
    return _started(Node(server, folder / "rabbitmq"), say)


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Makes `folder` ours alone as long as this lasts, and ends what a killed holder left running. False: taken.

    At the end too: a signal that came while a process was started may have kept its starter from knowing it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            # The kernel lets go of it when its holder dies, however it dies.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        _end_leftovers(folder)
        try:
            yield True
        finally:
            _end_leftovers(folder)


def _end_leftovers(folder: Path) -> None:
    end_leftovers(folder)
    end_leftovers(folder / "rabbitmq")


def forget(folder: Path) -> bool:
    """Deletes a folder that nobody holds, and the container and the volume that belong to it. False: it is held."""
    with held(folder) as ours:
        if not ours:
            return False
        with suppress(ImportError):
            from deploy.local import container  # noqa: PLC0415

            container.forget(folder)
        shutil.rmtree(folder, ignore_errors=True)
        return True


def _container(folder: Path, say: Callable[[str], None]) -> Broker:
    try:
        # A machine without Docker should not pay for the import, nor need the package.
        from deploy.local.container import Container  # noqa: PLC0415
    except ImportError as err:
        raise NoBroker(f"the package {err.name} is not installed") from err
    return Container(folder, say)


def _started(broker: Broker, say: Callable[[str], None]) -> Broker:
    if broker.kind != Kind.URL:
        say("Starting a private RabbitMQ (takes about ten seconds) ...")
    try:
        broker.start()
    except BaseException:  # also when stopped meanwhile: nobody else knows of it yet
        broker.close()
        raise
    return broker
