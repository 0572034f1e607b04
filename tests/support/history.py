"""What happened, in the order in which the test's process saw it: the publisher's side and the clients'."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempted:
    """A publisher began to publish a message. Publishing it again after a failure is no new attempt."""

    user: str
    message: str


@dataclass(frozen=True, slots=True)
class Held:
    """The broker confirmed to the publisher that it has the message."""

    user: str
    message: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A client (a device of a user) has a session; `seen` is what it handed over in the handshake."""

    client: str
    user: str
    session: str
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Received:
    """A client was sent a message in a session."""

    client: str
    user: str
    session: str
    message: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A client called the callback of a message. Whether that reached anybody is another question."""

    client: str
    user: str
    message: str


@dataclass(frozen=True, slots=True)
class Buried:
    """A message was found in `dead-letters`."""

    user: str
    message: str


@dataclass(frozen=True, slots=True)
class Expired:
    """A message outlived its own expiration in the queue."""

    user: str
    message: str


@dataclass(frozen=True, slots=True)
class Removed:
    """An operator purged or deleted a user's queue: `count` messages at most went with it."""

    user: str
    count: int


Happening = Attempted | Held | Connected | Received | Confirmed | Buried | Expired | Removed
History = list[Happening]
