"""Users under a steady trickle of messages for as long as it takes, and what it was like for them.

Whoever changes something meanwhile asks how late messages were, how many clients came back in one second, and, once
all is still, what a judge says.
"""

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.client import Client, Seen
from tests.support.history import Attempted, Connected, Happening, Received
from tests.support.judge import judge
from tests.support.load import Bound
from tests.support.publisher import Publisher
from tests.support.tokens import token
from tests.support.until import until

LOGINS_AT_ONCE = 4
LOGIN_SECONDS = 60.0


class Timed(list[Happening]):
    """A history that knows when each thing happened (monotonic seconds)."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, happening: Happening, /) -> None:
        super().append(happening)
        self.times.append(time.monotonic())

    def since(self, start: float) -> list[tuple[float, Happening]]:
        first = bisect_left(self.times, start)
        return list(zip(self.times[first:], self[first:], strict=True))


@dataclass(slots=True)
class Stream:
    """`async with` connects the clients and begins to publish, `per_second` messages to all users together."""

    broker_url: str
    url: str
    clients: Sequence[Client]
    history: Timed
    bound: Bound
    per_second: float
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _publishing: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> Self:
        for first in range(0, len(self.clients), LOGINS_AT_ONCE):
            some = self.clients[first : first + LOGINS_AT_ONCE]
            await asyncio.gather(*(self._come(client) for client in some))
        for client in self.clients:
            await self.bound(client.user)
        self._flowing.set()
        self._publishing = asyncio.create_task(self._publish(), name="stream")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.gather(self._publishing, return_exceptions=True)

    async def flow(self, seconds: float) -> None:
        """Wait while so many seconds' worth of messages is published."""
        wanted = self._count(Attempted) + int(seconds * self.per_second)
        await until(lambda: self._count(Attempted) >= wanted, "messages published", 10 * seconds + 30, step_seconds=0.1)

    async def still(self, *, seconds: float = 60.0) -> None:
        """Publish nothing more, until `go_on`, and wait until all has come."""
        self._flowing.clear()
        await until(
            lambda: not (self._lacking() or self._publishing_died()),
            self._report,
            seconds,
            step_seconds=0.2,
        )

    def go_on(self) -> None:
        self._flowing.set()

    def under_way(self) -> int:
        """How many messages have been published and came to nobody yet."""
        return len(self._lacking())

    def latencies_ms(self, start: float, end: float) -> list[float]:
        """From the moment before publishing to the first arrival, of what was published in this time."""
        sent: dict[tuple[str, str], float] = {}
        found: list[float] = []
        for at, happening in self.history.since(start):
            if isinstance(happening, Attempted) and at < end:
                sent[happening.user, happening.message] = at
            elif isinstance(happening, Received) and (happening.user, happening.message) in sent:
                found.append(1000 * (at - sent.pop((happening.user, happening.message))))
        return found

    def reconnects_per_second(self, start: float) -> int:
        """The most clients that came (back) within any one second since then."""
        times = [at for at, happening in self.history.since(start) if isinstance(happening, Connected)]
        return max((bisect_left(times, at + 1.0) - n for n, at in enumerate(times)), default=0)

    def _lacking(self) -> frozenset[tuple[str, str]]:
        return judge(self.history).lost

    def _report(self) -> str:
        users = Counter(user for user, _ in self._lacking())
        return f"messages lack, by user: {users}; {'; '.join(str(client) for client in self.clients)}"

    def _count(self, kind: type[Happening]) -> int:
        return sum(isinstance(happening, kind) for happening in self.history)

    def _publishing_died(self) -> bool:
        if self._publishing is not None and self._publishing.done():
            self._publishing.result()
        return False

    async def _come(self, client: Client) -> None:
        """The Python client does not come back by itself if its first login takes more than a second."""
        deadline = time.monotonic() + LOGIN_SECONDS
        while True:
            client.refusals.clear()
            await client.connect(self.url, token(client.user), seen=Seen.CONFIRMED)
            if not client.refusals:
                break
            assert time.monotonic() < deadline, str(client)
        await client.online(seconds=LOGIN_SECONDS)
        client.sessions[:] = client.sessions[-1:]

    async def _publish(self) -> None:
        users = [client.user for client in self.clients]
        async with Publisher(self.broker_url, self.history) as publisher:
            next_at, number = time.monotonic(), 0
            while True:
                await self._flowing.wait()
                await publisher.publish_surely(users[number % len(users)], number, id=f"m{number}")
                number += 1
                next_at = max(next_at + 1 / self.per_second, time.monotonic() - 1.0)
                await asyncio.sleep(next_at - time.monotonic())


def p99(latencies_ms: Sequence[float]) -> float:
    ranked = sorted(latencies_ms)
    return round(ranked[min(len(ranked) - 1, int(0.99 * len(ranked)))], 1) if ranked else 0.0
