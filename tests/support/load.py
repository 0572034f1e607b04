"""Several users under steady load, each with a publisher of their own and a client that comes back by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.client import Client, Seen
from tests.support.history import Attempted, Held, History, Received
from tests.support.judge import judge
from tests.support.publisher import Publisher
from tests.support.tokens import token
from tests.support.until import until

PAUSE_SECONDS = 0.005
STEP_SECONDS = 0.1

Bound = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class Load:
    """`async with` connects the clients and publishes until the block asks for the rest with `drained`."""

    broker_url: str
    url: str
    clients: list[Client]
    history: History
    count: int
    """Messages for each user."""
    bound: Bound
    """Waits until a user's queue takes messages without a detour: the moment of first contact is not meant here."""
    _publishing: list["asyncio.Task[None]"] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        for client in self.clients:
            await client.connect(self.url, token(client.user), seen=Seen.CONFIRMED)
        for client in self.clients:
            await client.online()
            await self.bound(client.user)
        users = dict.fromkeys(client.user for client in self.clients)
        self._publishing = [asyncio.create_task(self._publish(user), name=f"publisher for {user}") for user in users]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._publishing:
            task.cancel()
        await asyncio.gather(*self._publishing, return_exceptions=True)

    def received(self) -> int:
        """How many messages have come to anybody."""
        return len({(h.user, h.message) for h in self.history if isinstance(h, Received)})

    async def passed(self, share: float, *, seconds: float = 60.0) -> None:
        """Wait until this share of all messages has come."""
        wanted = share * self.count * len(self._publishing)
        await until(
            lambda: self.received() >= wanted,
            lambda: f"{wanted} messages, {self.received()} came",
            seconds,
            step_seconds=STEP_SECONDS,
        )

    async def drained(self, *, seconds: float = 60.0) -> None:
        """Wait until everything was published and came."""
        await asyncio.wait_for(asyncio.gather(*self._publishing), seconds)
        await until(lambda: not judge(self.history).lost, self._report, seconds, step_seconds=STEP_SECONDS)

    async def _publish(self, user: str) -> None:
        async with Publisher(self.broker_url, self.history) as publisher:
            for n in range(self.count):
                await publisher.publish_surely(user, {"n": n}, id=f"m{n}")
                await asyncio.sleep(PAUSE_SECONDS)

    def _report(self) -> str:
        attempted = sum(isinstance(h, Attempted) for h in self.history)
        held = sum(isinstance(h, Held) for h in self.history)
        lost = sorted(judge(self.history).lost)
        clients = "; ".join(str(client) for client in self.clients)
        return f"{attempted} attempted, {held} held, {self.received()} came, {len(lost)} lack: {lost[:5]}; {clients}"
