"""What only the operator of a RabbitMQ node can bring about, by its own command line."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import pytest

from deploy.local.broker import Broker
from deploy.local.container import Container
from deploy.local.node import Node

_TIMEOUT_SECONDS = 60


class Alarm(StrEnum):
    MEMORY = "memory"
    DISK = "disk"


@contextmanager
def alarm(broker: Broker, kind: Alarm) -> Iterator[None]:
    """For so long the node takes itself to be short of memory or disk. Skips the test where the broker is not ours."""
    begin, end = {
        Alarm.MEMORY: (("set_vm_memory_high_watermark", "absolute", "1"), ("set_vm_memory_high_watermark", "0.6")),
        Alarm.DISK: (("set_disk_free_limit", "1000000GB"), ("set_disk_free_limit", "1MB")),
    }[kind]
    rabbitmqctl(broker, *begin)
    try:
        yield
    finally:
        rabbitmqctl(broker, *end)


@contextmanager
def memory_alarm(broker: Broker) -> Iterator[None]:
    with alarm(broker, Alarm.MEMORY):
        yield


def rabbitmqctl(broker: Broker, *arguments: str) -> str:
    """Runs a command on the node; what it printed. Skips the test where the broker is not ours."""
    return _run(broker, "rabbitmqctl", *arguments)


def plugins(broker: Broker, *arguments: str) -> str:
    """Of the running node, until it is started the next time."""
    return _run(broker, "rabbitmq-plugins", *arguments)


def _run(broker: Broker, tool: str, *arguments: str) -> str:
    if isinstance(broker, Container):
        code, output = broker._container.exec_run([tool, *arguments])
        assert code == 0, output.decode()
        return str(output.decode())
    if isinstance(broker, Node):
        command = broker._server.resolve().with_name(tool)
        if not command.exists():  # Debian's server in sbin is a wrapper; the real commands are here
            command = Path("/usr/lib/rabbitmq/bin") / tool
        ran = subprocess.run(
            [command, *arguments], env=broker._environment(), check=True, capture_output=True, timeout=_TIMEOUT_SECONDS
        )
        return ran.stdout.decode()
    pytest.skip("rabbitmqctl needs a RabbitMQ of the tests' own, not the one that BROKER_URL names")
