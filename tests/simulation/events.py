"""What the simulated broker says to a client on a channel, and what it asks of a message."""

from dataclasses import dataclass
from typing import Protocol


class Message(Protocol):
    """Whatever the world publishes. The broker passes the object on and looks at nothing else of it."""

    @property
    def expiration(self) -> float | None:
        """Seconds after which the broker drops it, if it still waits in a queue then."""

    @property
    def persistent(self) -> bool:
        """Whether it survives a restart of the broker."""


@dataclass(slots=True)
class Delivered:
    consumer_tag: str
    tag: int
    redelivered: bool
    message: Message


@dataclass(slots=True)
class Confirmed:
    """The broker holds what was published with this token, or returned it just before."""

    token: object


@dataclass(slots=True)
class Returned:
    token: object
    exchange: str
    routing_key: str
    message: Message


@dataclass(slots=True)
class CancelOk:
    consumer_tag: str


@dataclass(slots=True)
class Cancelled:
    """The broker ended this consumer: its queue is gone."""

    consumer_tag: str


@dataclass(slots=True)
class ChannelClosed:
    """The broker closed the channel. `code` is AMQP's: 404 missing, 405 locked, 406 precondition failed."""

    code: int
    reason: str


Event = Delivered | Confirmed | Returned | CancelOk | Cancelled | ChannelClosed
