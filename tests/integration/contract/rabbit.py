"""How the contract speaks to a broker, simulated or real."""

from dataclasses import dataclass
from typing import Protocol

from tests.simulation.events import Event

SILENCE_SECONDS = 0.15
"""How long a real broker must say nothing before the contract believes that it has nothing to say."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message. `expiration` is in seconds."""

    body: str
    expiration: float | None = None
    persistent: bool = True


class Channel(Protocol):
    """Calls return when the broker has answered, those without an answer when they are written.

    A refused call returns like any other: the refusal is an event.
    """

    async def declare_exchange(self, name: str, kind: str, alternate: str | None = None) -> None: ...

    async def declare_queue(
        self,
        name: str,
        *,
        exclusive: bool = False,
        single_active_consumer: bool = False,
        ttl_seconds: float | None = None,
        delivery_limit: int | None = None,
    ) -> tuple[int, int] | None:
        """Messages ready and consumers; None when refused."""

    async def bind(self, queue: str, exchange: str, routing_key: str = "") -> None: ...

    async def publish(self, exchange: str, routing_key: str, letter: Letter, *, mandatory: bool = False) -> int:
        """The token with which it will be confirmed: 1, 2, 3 and so on."""

    async def qos(self, prefetch: int) -> None: ...

    async def consume(self, queue: str, consumer_tag: str, *, no_ack: bool = False) -> None: ...

    async def cancel(self, consumer_tag: str) -> None: ...

    async def ack(self, tag: int) -> None: ...

    async def nack(self, tag: int) -> None: ...

    async def close(self) -> None: ...

    async def next(self) -> Event:
        """The next thing that the broker says on this channel. Raises TooLate."""

    async def silent(self) -> bool:
        """Whether the broker has nothing more to say for now."""


class Connection(Protocol):
    async def channel(self) -> Channel: ...

    async def close(self) -> None: ...

    async def cut(self) -> None:
        """End without a goodbye, as when the process is killed."""


class Rabbit(Protocol):
    """A broker and its operator."""

    async def connect(self) -> Connection: ...

    async def elapse(self, seconds: float) -> None: ...

    async def count(self, queue: str) -> tuple[int, int] | None:
        """Messages ready and consumers of a queue that is not exclusive; None when there is no such queue."""

    async def delete_queue(self, name: str) -> None: ...

    async def purge_queue(self, name: str) -> None: ...

    async def restart(self) -> None: ...

    async def close(self) -> None:
        """End every connection."""
