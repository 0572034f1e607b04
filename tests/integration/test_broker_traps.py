"""What surprises in the real RabbitMQ and restante is built around; no simulation stands in for it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.broker import Broker
from tests.integration.contract.rabbit import Letter
from tests.integration.contract.real import RealRabbit
from tests.integration.contract.steps import (
    bodies,
    channel_of,
    closed_with,
    delivered,
    numbered,
    post,
)
from tests.simulation.events import Delivered
from tests.support.rabbitmqctl import memory_alarm


@pytest.fixture(params=["classic", "quorum"])
async def rabbit(request: pytest.FixtureRequest, broker_url: str) -> AsyncIterator[RealRabbit]:
    found = RealRabbit(broker_url, _never, quorum=request.param == "quorum")
    yield found
    await found.close()


classic_queues = pytest.mark.parametrize("rabbit", ["classic"], indirect=True)
quorum_queues = pytest.mark.parametrize("rabbit", ["quorum"], indirect=True)


@classic_queues
async def test_a_classic_queue_refuses_a_delivery_limit(rabbit: RealRabbit) -> None:
    channel = await channel_of(rabbit)

    assert await channel.declare_queue("user.alice", delivery_limit=1_000_000) is None

    assert await closed_with(channel) == 406


@quorum_queues
async def test_a_quorum_queue_with_a_limit_of_a_million_keeps_a_message_through_thirty_nacks_and_closed_channels(
    rabbit: RealRabbit,
) -> None:
    await (await channel_of(rabbit)).declare_queue("user.alice")
    await post(rabbit, "0", queue="user.alice")

    for _ in range(30):
        owner = await channel_of(rabbit)
        await owner.consume("user.alice", "alice")
        [held] = await delivered(owner, 1)
        await owner.nack(held.tag)
        assert bodies(await delivered(owner, 1)) == ["0"]
        await owner.close()


async def test_two_hundred_leases_move_to_the_next_dispatcher_in_order_when_their_owner_dies(
    rabbit: RealRabbit,
) -> None:
    connection = await rabbit.connect()
    owner, heir = await connection.channel(), await channel_of(rabbit)
    await owner.declare_queue("sessions.7", single_active_consumer=True, ttl_seconds=900)
    await owner.consume("sessions.7", "owner")
    await heir.consume("sessions.7", "heir")
    await post(rabbit, *numbered(0, 200), queue="sessions.7")
    await delivered(owner, 200)

    await connection.cut()

    inherited = await delivered(heir, 200)
    assert bodies(inherited) == numbered(0, 200)
    assert all(delivery.redelivered for delivery in inherited)


async def test_forty_users_move_to_the_next_dispatcher_each_in_order_when_their_owner_dies(
    rabbit: RealRabbit,
) -> None:
    """One channel for all of them, and each queue learns of its end by itself."""
    users = [f"user.{number}" for number in range(40)]
    connection = await rabbit.connect()
    owner, heir = await connection.channel(), await channel_of(rabbit, prefetch=32)
    await owner.qos(3)
    for user in users:
        await owner.declare_queue(user, single_active_consumer=True)
        await owner.consume(user, user)
        await heir.consume(user, user)
    for user in users:
        await post(rabbit, *numbered(0, 6), queue=user)
    await delivered(owner, 3 * len(users))

    await connection.cut()

    got: dict[str, list[Delivered]] = {}
    for delivery in await delivered(heir, 6 * len(users)):
        got.setdefault(delivery.consumer_tag, []).append(delivery)
    assert {user: bodies(deliveries) for user, deliveries in got.items()} == dict.fromkeys(users, numbered(0, 6))


@classic_queues
async def test_during_a_memory_alarm_acks_are_heard_only_on_a_connection_that_does_not_publish(
    rabbit: RealRabbit, broker: Broker
) -> None:
    publishing, consuming = await rabbit.connect(), await rabbit.connect()
    publisher, of_alice, of_bob = [await each.channel() for each in (publishing, publishing, consuming)]
    held = []
    for channel, queue in ((of_alice, "user.alice"), (of_bob, "user.bob")):
        await channel.declare_queue(queue)
        await post(rabbit, "0", "1", queue=queue)
        await channel.qos(1)
        await channel.consume(queue, queue)
        held += await delivered(channel, 1)

    with memory_alarm(broker):
        # The first message after the alarm is the one that blocks its connection.
        async with asyncio.timeout(10):
            while not publishing.wire.blocked.is_set():
                await publisher.publish("", "user.nobody", Letter("one more"))
                await asyncio.sleep(0.05)
        await of_alice.ack(held[0].tag)
        await of_bob.ack(held[1].tag)

        assert bodies(await delivered(of_bob, 1)) == ["1"]
        assert await of_alice.silent()

    assert bodies(await delivered(of_alice, 1)) == ["1"]


def _never() -> None:
    raise AssertionError("no test here restarts the broker")
