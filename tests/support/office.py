"""A broker as a dispatcher leaves it, for tests of the commands: what is put there, and what is found afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from deploy.local.broker import Broker
from shared import topology
from shared.broker import close, connect, wire
from shared.names import DEAD_LETTERS
from shared.settings import BrokerSettings, QueueType
from tests.support.command import Said, typed

T = TypeVar("T")
Told = tuple[bytes, Basic.Properties]


class Office:
    """A broker as a dispatcher leaves it, with a queue for alice; and whoever looks into its queues."""

    def __init__(self, url: str, management_url: str, queue_type: QueueType) -> None:
        self.url = url
        self._queue_type = queue_type
        self.environment = {"BROKER_URL": url, "RABBITMQ_MANAGEMENT_URL": management_url}

    def restante(self, *words: str, answer: str = "") -> Said:
        return typed(*words, answer=answer, **self.environment)

    async def open(self) -> None:
        async def declare(channel: AbstractChannel) -> None:
            await topology.declare_all(channel, self._queue_type)
            await topology.declare_user(channel, "alice", self._queue_type)
            await topology.bind_user(channel, "alice")

        await self.with_channel(declare)

    async def with_channel(self, use: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        connection = await connect(BrokerSettings(broker_url=self.url), "test")  # type: ignore[arg-type]  # as typed
        try:
            return await use(await wire(connection).channel())
        finally:
            await close(connection)

    async def bury(self, message_id: str, *, user: str = "alice", reason: str = "refused", **more: Any) -> None:
        headers = {"reason": reason, "detail": "no room", "user": user, "attempts": 1, "from": "bob", **more}
        properties = Basic.Properties(message_id=message_id, headers=headers, content_type="application/json")

        async def put(channel: AbstractChannel) -> None:
            await channel.basic_publish(b'{"n":1}', exchange=DEAD_LETTERS, properties=properties)

        await self.with_channel(put)

    async def take(self, queue: str, count: int) -> list[Told]:
        """The messages of a queue that nobody else consumes, once it has exactly so many."""

        async def consume(channel: AbstractChannel) -> list[Told]:
            found: asyncio.Queue[Told] = asyncio.Queue()

            async def keep(message: DeliveredMessage) -> None:
                found.put_nowait((message.body, message.header.properties))

            deadline = asyncio.get_running_loop().time() + 15
            while (there := (await channel.queue_declare(queue, passive=True)).message_count) != count:
                assert asyncio.get_running_loop().time() < deadline, f"{there} messages in {queue}, not {count}"
                await asyncio.sleep(0.01)
            await channel.basic_consume(queue, keep, no_ack=True)
            return [await found.get() for _ in range(count)]

        return await self.with_channel(consume)

    async def ids(self, queue: str, count: int) -> list[str | None]:
        return [properties.message_id for _, properties in await self.take(queue, count)]


@pytest.fixture
def office(
    request: pytest.FixtureRequest, broker: Broker, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Office:
    monkeypatch.chdir(tmp_path)
    office = Office(broker_url, broker.management_url, getattr(request, "param", QueueType.CLASSIC))
    asyncio.run(office.open())
    return office


both_queue_types = pytest.mark.parametrize("office", list(QueueType), indirect=True)


async def several(office: Office) -> None:
    """Four dead letters: m1 and m3 are alice's, m2 is bob's, and m4 is for nobody who can be."""
    await office.bury("m1")
    await office.bury("m2", user="bob", reason="unconfirmed")
    await office.bury("m3", reason="unconfirmed")
    await office.bury("m4", user="no/body", reason="bad_user")
