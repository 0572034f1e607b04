"""RabbitMQ's Web MQTT plugin: persistent sessions, QoS 1, the broker itself serves the clients."""

from urllib.parse import unquote, urlsplit

from tests.bench.systems.system import System


def web_mqtt(broker_url: str, broker_pid: int, host: str, port: int) -> System:
    """The plugin is enabled. A topic is a routing key with slashes for dots."""
    vhost = unquote(urlsplit(broker_url).path[1:])
    return System(
        name="Web MQTT",
        protocol="mqtt",
        host=host,
        ports=[port],
        broker_url=broker_url,
        exchange="amq.topic",
        key=lambda user: f"user.{user}",
        queue=lambda user: f"mqtt-subscription-{user}qos1",
        login=lambda user: f"{vhost}:guest {user} user/{user}",
        pids={"broker": broker_pid},
    )
