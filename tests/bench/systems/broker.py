"""The suite's broker: whose CPU is counted, and what others than restante need of it."""

from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.broker import Broker
from deploy.local.container import Container
from deploy.local.node import Node
from deploy.local.rabbitmq import Management
from tests.bench.cpu import descendants, listener, name_of
from tests.support.rabbitmqctl import plugins, rabbitmqctl

_numbers = count(1)
MACHINE = "beam.smp"


def pid(broker: Broker) -> int:
    """The Erlang machine's."""
    if isinstance(broker, Container):
        first = int(broker._container.attrs["State"]["Pid"])
        return next(pid for pid in (first, *descendants(first)) if name_of(pid) == MACHINE)
    found = listener(urlsplit(broker.url).port or 5672)
    assert found is not None, "the broker is not a process that we may look at"
    return found


def virtual_host(broker: Broker) -> str:
    """The address of a fresh one. It ends with the broker: deleting its queues would fall into what follows."""
    name = f"bench-{next(_numbers)}"
    Management(broker.management_url).create_vhost(name)
    return f"{broker.url.rstrip('/')}/{name}"


def before_start(folder: Path, web_mqtt_port: int) -> None:
    """What a private node must find in its folder to be able to speak MQTT on that port later."""
    place = folder / "rabbitmq" / "conf.d"
    place.mkdir(parents=True, exist_ok=True)
    (place / "mqtt.conf").write_text(
        f"mqtt.listeners.tcp = none\nweb_mqtt.tcp.ip = 127.0.0.1\nweb_mqtt.tcp.port = {web_mqtt_port}\n"
    )


def enable_web_mqtt(broker: Broker, window: int) -> None:
    plugins(broker, "enable", "rabbitmq_web_mqtt")
    rabbitmqctl(broker, "eval", f"application:set_env(rabbitmq_mqtt, prefetch, {window}).")


def web_mqtt_address(broker: Broker, web_mqtt_port: int) -> tuple[str, int]:
    """Where it listens."""
    if isinstance(broker, Node):
        return "127.0.0.1", web_mqtt_port
    assert isinstance(broker, Container)
    networks = broker._container.attrs["NetworkSettings"]["Networks"]
    return next(iter(networks.values()))["IPAddress"], 15675
