"""Services, a device for each of some users, and load: what a test of faults plays with, and then judges."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from shared.names import user_queue
from tests.support.client import Client
from tests.support.history import History
from tests.support.judge import Verdict, judge
from tests.support.load import Bound, Load
from tests.support.publisher import Publisher
from tests.support.services import Kind, Service, Services

MESSAGES = 150
SETTLE_SECONDS = 30.0
STEP_SECONDS = 0.1


@dataclass(slots=True)
class Scene:
    """Services, and one device for each of some users, of both kinds."""

    services: Services
    clients: list[Client]
    history: History
    bound: Bound

    def load(self, url: str) -> Load:
        return Load(self.services.broker_url, url, self.clients, self.history, MESSAGES, self.bound)

    async def acked(self) -> None:
        """Waits until the broker knows of all confirmations."""
        dispatchers = [s for s in self.services.running if s.alive and s.kind is Kind.DISPATCHER]
        deadline = asyncio.get_running_loop().time() + SETTLE_SECONDS
        async with Publisher(self.services.broker_url) as observer:
            while unsettled := await self._unsettled(dispatchers, observer):
                assert asyncio.get_running_loop().time() < deadline, unsettled
                await asyncio.sleep(STEP_SECONDS)

    async def settled(self) -> Verdict:
        """Once the broker knows of all confirmations: ends everything, sees that no queue holds anything, judges."""
        await self.acked()
        async with Publisher(self.services.broker_url) as observer:
            for client in self.clients:
                await client.end()
            await self.services.end()
            for client in self.clients:
                await observer.waits(client.user, 0)
        return judge(self.history)

    async def _unsettled(self, dispatchers: Sequence[Service], observer: Publisher) -> str:
        """What there should not be; empty if all is as it should be."""

        async def total(metric: str) -> float:
            return sum([await service.metric(metric) for service in dispatchers])

        known, in_flight = await total("restante_sessions"), await total("restante_in_flight")
        ready = {client.user: await observer.waiting(user_queue(client.user)) for client in self.clients}
        if known == len(self.clients) and not in_flight and not any(ready.values()):
            return ""
        return f"{known} sessions of {len(self.clients)} clients, {in_flight} messages in flight, ready: {ready}"
