"""Several consumers of one queue: in turn when they are plain, one after the other when only one may be active."""

from collections.abc import Awaitable, Callable

import pytest

from tests.integration.contract.rabbit import Channel, Connection, Rabbit
from tests.integration.contract.steps import (
    QUEUE,
    bodies,
    channel_of,
    classic_queues,
    consumers_are,
    delivered,
    numbered,
    post,
    quorum_queues,
    ready_is,
)
from tests.simulation.events import CancelOk

Ending = Callable[[Connection, Channel], Awaitable[None]]


async def channel_close(_connection: Connection, channel: Channel) -> None:
    await channel.close()


async def connection_close(connection: Connection, _channel: Channel) -> None:
    await connection.close()


async def connection_cut(connection: Connection, _channel: Channel) -> None:
    await connection.cut()


ENDINGS = pytest.mark.parametrize("end", [channel_close, connection_close, connection_cut])


async def test_two_plain_consumers_take_turns(rabbit: Rabbit) -> None:
    first, second = await channel_of(rabbit), await channel_of(rabbit)
    await first.declare_queue(QUEUE)
    await first.consume(QUEUE, "first")
    await second.consume(QUEUE, "second")

    await post(rabbit, *numbered(0, 6))

    of_first, of_second = bodies(await delivered(first, 3)), bodies(await delivered(second, 3))
    assert (of_first, of_second) == (["0", "2", "4"], ["1", "3", "5"])


async def test_a_second_plain_consumer_gets_younger_messages_than_the_first_one_gives_back(rabbit: Rabbit) -> None:
    first, second = await channel_of(rabbit, prefetch=3), await channel_of(rabbit)
    await first.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 8))
    await first.consume(QUEUE, "first")
    await delivered(first, 3)
    await second.consume(QUEUE, "second")
    early = await delivered(second, 5)

    await first.close()

    assert bodies(early + await delivered(second, 3)) == [*numbered(3, 8), *numbered(0, 3)]


@ENDINGS
async def test_a_single_active_consumer_has_everything_until_its_channel_ends_then_the_next_has_it(
    rabbit: Rabbit, end: Ending
) -> None:
    connection = await rabbit.connect()
    first, second = await connection.channel(), await channel_of(rabbit)
    await first.qos(3)
    await first.declare_queue(QUEUE, single_active_consumer=True)
    await post(rabbit, *numbered(0, 8))
    await first.consume(QUEUE, "first")
    await delivered(first, 3)
    await second.consume(QUEUE, "second")
    assert await second.silent()

    await end(connection, first)

    assert bodies(await delivered(second, 8)) == numbered(0, 8)


@ENDINGS
async def test_leases_held_unacked_go_to_the_next_owner_all_and_in_order(rabbit: Rabbit, end: Ending) -> None:
    connection = await rabbit.connect()
    owner, heir = await connection.channel(), await channel_of(rabbit)
    await owner.declare_queue("sessions.7", single_active_consumer=True, ttl_seconds=900)
    await owner.consume("sessions.7", "owner")
    await heir.consume("sessions.7", "heir")
    await post(rabbit, *numbered(0, 50), queue="sessions.7")
    leases = await delivered(owner, 50)
    for forgotten in leases[10:20]:
        await owner.ack(forgotten.tag)
    await ready_is(rabbit, 0, queue="sessions.7")

    await end(connection, owner)

    inherited = await delivered(heir, 40)
    assert bodies(inherited) == [*numbered(0, 10), *numbered(20, 50)]
    assert all(delivery.redelivered for delivery in inherited)


async def test_an_owner_that_gives_up_and_comes_back_at_once_waits_behind_the_others(rabbit: Rabbit) -> None:
    connection = await rabbit.connect()
    owner, heir = await connection.channel(), await channel_of(rabbit)
    await owner.declare_queue("sessions.7", single_active_consumer=True)
    await owner.consume("sessions.7", "owner")
    await heir.consume("sessions.7", "heir")
    await post(rabbit, *numbered(0, 20), queue="sessions.7")
    await delivered(owner, 20)

    await owner.close()
    again = await connection.channel()
    await again.consume("sessions.7", "owner")

    assert bodies(await delivered(heir, 20)) == numbered(0, 20)
    assert await again.silent()


async def test_single_active_consumers_follow_each_other_in_the_order_in_which_they_came(rabbit: Rabbit) -> None:
    channels = [await channel_of(rabbit) for _ in range(3)]
    await channels[0].declare_queue(QUEUE, single_active_consumer=True)
    for channel in channels:
        await channel.consume(QUEUE, "alice")
    await post(rabbit, "0")

    for number, channel in enumerate(channels):
        assert bodies(await delivered(channel, 1)) == ["0"], number
        await channel.close()


async def test_a_waiting_consumer_that_leaves_changes_nothing(rabbit: Rabbit) -> None:
    active, waiting, last = await channel_of(rabbit), await channel_of(rabbit), await channel_of(rabbit)
    await active.declare_queue(QUEUE, single_active_consumer=True)
    for channel in (active, waiting, last):
        await channel.consume(QUEUE, "alice")
    await post(rabbit, "0")
    await delivered(active, 1)

    await waiting.close()
    assert await last.silent()
    await active.close()

    assert bodies(await delivered(last, 1)) == ["0"]


@classic_queues
async def test_the_consumers_that_wait_for_their_turn_are_counted(rabbit: Rabbit) -> None:
    first, second = await channel_of(rabbit), await channel_of(rabbit)
    await first.declare_queue("sessions.7", single_active_consumer=True)
    await first.consume("sessions.7", "first")
    await second.consume("sessions.7", "second")
    await consumers_are(rabbit, 2, queue="sessions.7")
    assert await first.declare_queue("sessions.7", single_active_consumer=True) == (0, 2)

    await first.close()

    await consumers_are(rabbit, 1, queue="sessions.7")


@quorum_queues
async def test_a_quorum_queue_counts_only_the_active_one(rabbit: Rabbit) -> None:
    """So what the number of consumers says about the number of dispatchers depends on the type of queue."""
    channels = [await channel_of(rabbit) for _ in range(3)]
    await channels[0].declare_queue("sessions.7", single_active_consumer=True)

    for channel in channels:
        await channel.consume("sessions.7", "lease")

    await consumers_are(rabbit, 1, queue="sessions.7")
    assert await channels[0].declare_queue("sessions.7", single_active_consumer=True) == (0, 1)


async def test_a_single_active_consumer_that_cancels_is_overtaken_by_the_one_that_waits(rabbit: Rabbit) -> None:
    """So a queue that others wait for is given up by closing the channel, never by a cancel.

    After this cancel RabbitMQ 3.10 serves the next consumer only once something comes back; a publish before
    that crashes the queue, which then starts anew without its consumers.
    """
    first, second = await channel_of(rabbit, prefetch=2), await channel_of(rabbit)
    await first.declare_queue(QUEUE, single_active_consumer=True)
    await post(rabbit, *numbered(0, 4))
    await first.consume(QUEUE, "first")
    held = await delivered(first, 2)
    await second.consume(QUEUE, "second")

    await first.cancel("first")
    assert await first.next() == CancelOk("first")
    for delivery in held:
        await first.nack(delivery.tag)

    got = bodies(await delivered(second, 4))
    assert sorted(got) == numbered(0, 4)
    assert got[-1] == "1"
