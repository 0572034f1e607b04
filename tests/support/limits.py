"""What a broker takes, changed while it runs: as if its operator had lowered it between two starts."""

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.broker import Broker
from tests.support.rabbitmqctl import rabbitmqctl


@contextmanager
def max_message_size(broker: Broker, most_bytes: int) -> Iterator[None]:
    """At once in RabbitMQ 4; in RabbitMQ 3 for channels that are opened from now on."""
    before = rabbitmqctl(broker, "eval", "element(2, application:get_env(rabbit, max_message_size)).").strip()
    _set(broker, str(most_bytes))
    try:
        yield
    finally:
        _set(broker, before)


def _set(broker: Broker, most_bytes: str) -> None:
    for call in ("application:set_env(rabbit, ", "persistent_term:put("):
        rabbitmqctl(broker, "eval", f"{call}max_message_size, {most_bytes}).")
