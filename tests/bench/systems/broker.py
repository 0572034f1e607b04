"""The suite's broker: whose CPU is counted, and what others than restante need of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local import container, debian
from deploy.local.broker import Broker, Kind, find
from deploy.local.container import Container
from deploy.local.node import Node
from deploy.local.rabbitmq import Management
from tests.bench.cpu import descendants, listener, name_of
from tests.support.rabbitmqctl import plugins, rabbitmqctl

_numbers = count(1)
MACHINE = "beam.smp"
PLUGIN = "rabbitmq_web_mqtt"


def pid(broker: Broker) -> int:
    """The Erlang machine's."""
    if isinstance(broker, Container):
        first = int(broker._container.attrs["State"]["Pid"])
        return next(pid for pid in (first, *descendants(first)) if name_of(pid) == MACHINE)
    found = listener(urlsplit(broker.url).port or 5672)
    assert found is not None, "the broker is not a process that we may look at"
    return found


def virtual_host(broker: Broker) -> str:
    """The address of a fresh one. It ends with the broker: deleting its queues would fall into what follows.

    A container's own address, for all alike: at a published port sits a proxy, whose cost would be nobody's.
    """
    name = f"bench-{next(_numbers)}"
    Management(broker.management_url).create_vhost(name)
    url = f"amqp://guest:guest@{_inside(broker)}:5672" if isinstance(broker, Container) else broker.url.rstrip("/")
    return f"{url}/{name}"


@contextmanager
def own(kind: Kind, folder: Path, web_mqtt_port: int, window: int, say: Callable[[str], None]) -> Iterator[Broker]:
    """A broker that also speaks MQTT over WebSocket. Nothing is left of it afterwards."""
    broker = _private(folder, web_mqtt_port, window, say) if kind is Kind.PRIVATE else find(folder, kind, say)
    try:
        if isinstance(broker, Container):
            plugins(broker, "enable", PLUGIN)
            rabbitmqctl(broker, "eval", f"application:set_env(rabbitmq_mqtt, prefetch, {window}).")
        yield broker
    finally:
        broker.kill()  # nobody needs its data
        broker.close()
        if isinstance(broker, Container):
            container.forget(folder)


def _private(folder: Path, web_mqtt_port: int, window: int, say: Callable[[str], None]) -> Broker:
    """The port and the window must be known when it starts."""
    more = (
        f"mqtt.listeners.tcp = none\nmqtt.prefetch = {window}\n"
        f"web_mqtt.tcp.ip = 127.0.0.1\nweb_mqtt.tcp.port = {web_mqtt_port}\n"
    )
    server = debian.server() or debian.install_server(say)
    node = Node(server, folder / "rabbitmq", plugins=(PLUGIN,), more=more)
    say("Starting a private RabbitMQ (takes about ten seconds) ...")
    node.start()
    return node


def web_mqtt_address(broker: Broker, web_mqtt_port: int) -> tuple[str, int]:
    """Where it listens."""
    if isinstance(broker, Node):
        return "127.0.0.1", web_mqtt_port
    assert isinstance(broker, Container)
    return _inside(broker), 15675


def _inside(broker: Container) -> str:
    networks = broker._container.attrs["NetworkSettings"]["Networks"]
    return str(next(iter(networks.values()))["IPAddress"])
