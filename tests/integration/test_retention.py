"""What the README says of retention, on the real broker: the policy that it names, and what the others would lose."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from shared import sieve, topology
from shared.broker import close, connect, wire
from shared.names import MESSAGES, user_queue
from shared.publish import ConfirmedPublisher, Nacked
from shared.settings import BrokerSettings, QueueType

QUEUE = user_queue("alice")
Policy = Callable[..., None]
both_queue_types = pytest.mark.parametrize("queue_type", list(QueueType))


@pytest.fixture
def policy(broker: Broker, broker_url: str) -> Policy:
    """Sets the policy of all users' queues, as an operator does: before the queues are made, or after."""

    def put(**definition: Any) -> None:
        body = {"pattern": r"^user\.", "apply-to": "queues", "definition": definition}
        vhost = quote(urlsplit(broker_url).path[1:], safe="")
        Management(broker.management_url).request("PUT", f"/api/policies/{vhost}/retention", body)

    return put


class Alice:
    """Her queue, and whoever publishes to it."""

    def __init__(self, channel: AbstractChannel, publisher: ConfirmedPublisher) -> None:
        self.channel = channel
        self._publisher = publisher

    async def queue(self, queue_type: QueueType) -> None:
        await topology.declare_all(self.channel, queue_type)
        await topology.declare_user(self.channel, "alice", queue_type)
        await topology.bind_user(self.channel, "alice")

    async def publish(self, message: str, user: str = "alice") -> None:
        properties = Basic.Properties(delivery_mode=2, message_id=message)
        await self._publisher.publish(b"1", properties, exchange=MESSAGES, routing_key=user, mandatory=True)

    async def waiting(self, count: int, user: str = "alice") -> None:
        deadline = asyncio.get_running_loop().time() + 15
        while (there := (await self.channel.queue_declare(user_queue(user), passive=True)).message_count) != count:
            assert asyncio.get_running_loop().time() < deadline, f"{there} messages, not {count}"
            await asyncio.sleep(0.05)

    async def ids(self, count: int) -> list[str | None]:
        found: asyncio.Queue[str | None] = asyncio.Queue()

        async def keep(message: DeliveredMessage) -> None:
            found.put_nowait(message.header.properties.message_id)

        await self.channel.basic_consume(QUEUE, keep)
        async with asyncio.timeout(15):
            return [await found.get() for _ in range(count)]


@pytest.fixture
async def alice(broker_url: str) -> AsyncIterator[Alice]:
    settings = BrokerSettings(broker_url=broker_url)  # type: ignore[arg-type]  # as typed
    connection = await connect(settings, "test", sifted=sieve.LANE.taken)
    publisher = ConfirmedPublisher(await wire(connection).channel(publisher_confirms=True, on_return_raises=True))
    yield Alice(await wire(connection).channel(), publisher)
    await close(connection)


async def refused(alice: Alice, message: str) -> bool:
    try:
        await alice.publish(message)
    except Nacked:
        return True
    return False


@both_queue_types
async def test_a_full_queue_with_reject_publish_refuses_what_is_new_and_keeps_what_it_has(
    alice: Alice, policy: Policy, queue_type: QueueType
) -> None:
    policy(**{"max-length": 2, "overflow": "reject-publish"})
    await alice.queue(queue_type)

    kept: list[str] = []
    for number in range(20):  # a quorum queue notices a little late
        if await refused(alice, f"m{number}"):
            break
        kept.append(f"m{number}")

    assert 2 <= len(kept) < 20
    assert await alice.ids(len(kept)) == kept


async def test_a_full_queue_without_reject_publish_drops_its_oldest_although_all_was_confirmed(
    alice: Alice, policy: Policy
) -> None:
    policy(**{"max-length": 2})
    await alice.queue(QueueType.CLASSIC)

    for number in range(3):
        await alice.publish(f"m{number}")

    assert await alice.ids(2) == ["m1", "m2"]


@both_queue_types
async def test_what_is_older_than_message_ttl_goes_if_it_was_published_after_the_policy_was_set(
    alice: Alice, policy: Policy, queue_type: QueueType
) -> None:
    await alice.queue(queue_type)
    await alice.publish("m1")

    policy(**{"message-ttl": 500})
    await topology.declare_user(alice.channel, "bob", queue_type)
    await topology.bind_user(alice.channel, "bob")
    await alice.publish("m2", user="bob")

    await alice.waiting(0, user="bob")
    await alice.waiting(1)


async def test_expires_deletes_a_queue_with_what_was_published_a_moment_before(
    alice: Alice, policy: Policy, broker: Broker, broker_url: str
) -> None:
    policy(**{"message-ttl": 2000, "expires": 3000})
    await alice.queue(QueueType.CLASSIC)
    path = f"/api/queues/{quote(urlsplit(broker_url).path[1:], safe='')}/{QUEUE}"
    began = asyncio.get_running_loop().time()

    def exists() -> bool:  # asking on AMQP would be a use of the queue
        try:
            Management(broker.management_url).request("GET", path)
        except OSError:
            return False
        return True

    published = began
    while await asyncio.to_thread(exists):
        published = asyncio.get_running_loop().time()
        assert published < began + 15, "it does not expire while somebody publishes"
        await alice.publish("m1")
        await asyncio.sleep(0.1)

    assert asyncio.get_running_loop().time() - published < 2.0, "the last message did not live to the end of its time"
