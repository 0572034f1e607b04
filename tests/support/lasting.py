"""A gateway and a dispatcher as processes, over a real broker, for all hostile tests of one file; and somebody else."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.names import user_queue
from tests.support.history import History
from tests.support.publisher import Publisher
from tests.support.python_client import PythonClient
from tests.support.services import Service, Services
from tests.support.tokens import token
from tests.support.witness import resident_bytes

PAUSE_SECONDS = 0.02
MEGABYTE = 1024 * 1024


@dataclass(slots=True, repr=False)
class Lasting:
    """Both services, ready, and a publisher of one's own."""

    services: Services
    gateway: Service
    dispatcher: Service
    publisher: Publisher

    def log(self) -> str:
        return "".join(service.log.read_text(errors="replace") for service in (self.gateway, self.dispatcher))

    def megabytes(self) -> tuple[int, int]:
        """Resident memory of the gateway and of the dispatcher."""
        gateway, dispatcher = (resident_bytes(service.pid) // MEGABYTE for service in (self.gateway, self.dispatcher))
        return gateway, dispatcher

    async def client(self, user: str) -> PythonClient:
        client = PythonClient(user, user, History())
        await client.connect(self.gateway.url, token(user))
        await client.online()
        return client

    @asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        """While the block runs, and once after it, a user gets each message once, in order, in one session."""
        user, stop, published = f"witness.{uuid.uuid4().hex[:8]}", asyncio.Event(), 0
        client = await self.client(user)

        async def all_the_while() -> None:
            nonlocal published
            while True:
                last = stop.is_set()
                await self.publisher.publish(user, published, id=f"m{published}")
                published += 1
                await client.received([f"m{published - 1}"])
                if last:
                    return
                await asyncio.sleep(PAUSE_SECONDS)

        task = asyncio.create_task(all_the_while())
        try:
            yield
        finally:
            stop.set()
            try:
                await task
            finally:
                await client.disconnect()
                await client.end()
        assert client.ids == [f"m{number}" for number in range(published)]
        assert len(client.sessions) == 1
        await self.publisher.waits(user, 0)
        assert await self.publisher.waiting(user_queue(user)) == 0


@asynccontextmanager
async def lasting(services: Services) -> AsyncIterator[Lasting]:
    gateway, dispatcher = await services.pair()
    async with Publisher(services.broker_url) as publisher:
        yield Lasting(services, gateway, dispatcher, publisher)
    await services.end()
