"""A message that comes back takes its old place, however it comes back."""

from collections.abc import Awaitable, Callable

import pytest

from tests.integration.contract.rabbit import Channel, Connection, Rabbit
from tests.integration.contract.steps import (
    QUEUE,
    bodies,
    channel_of,
    classic_queues,
    delivered,
    numbered,
    post,
    quorum_queues,
    ready_is,
)
from tests.simulation.events import CancelOk, Delivered

GiveBack = Callable[[Connection, Channel, list[Delivered]], Awaitable[None]]


async def channel_close(_connection: Connection, channel: Channel, _held: list[Delivered]) -> None:
    await channel.close()


async def connection_close(connection: Connection, _channel: Channel, _held: list[Delivered]) -> None:
    await connection.close()


async def connection_cut(connection: Connection, _channel: Channel, _held: list[Delivered]) -> None:
    await connection.cut()


async def cancel_and_nack_each(_connection: Connection, channel: Channel, held: list[Delivered]) -> None:
    await channel.cancel("first")
    assert await channel.next() == CancelOk("first")
    for delivery in held:
        await channel.nack(delivery.tag)


async def cancel_then_connection_cut(connection: Connection, channel: Channel, _held: list[Delivered]) -> None:
    await channel.cancel("first")
    assert await channel.next() == CancelOk("first")
    await connection.cut()


async def cancel_nack_some_then_channel_close(_connection: Connection, channel: Channel, held: list[Delivered]) -> None:
    await channel.cancel("first")
    assert await channel.next() == CancelOk("first")
    for delivery in held[:4]:
        await channel.nack(delivery.tag)
    await channel.close()


WAYS = [
    channel_close,
    connection_close,
    connection_cut,
    cancel_and_nack_each,
    cancel_then_connection_cut,
    cancel_nack_some_then_channel_close,
]


@pytest.mark.parametrize("give_back", WAYS)
async def test_ten_unacked_come_back_before_the_ten_ready(rabbit: Rabbit, give_back: GiveBack) -> None:
    second = await channel_of(rabbit)
    await second.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 20))
    connection = await rabbit.connect()
    first = await connection.channel()
    await first.qos(10)
    await first.consume(QUEUE, "first")
    held = await delivered(first, 10)

    await give_back(connection, first, held)
    await ready_is(rabbit, 20)
    await second.consume(QUEUE, "second")

    assert bodies(await delivered(second, 20)) == numbered(0, 20)


@pytest.mark.parametrize("give_back", [channel_close, connection_cut])
async def test_what_was_acked_in_between_leaves_gaps_and_the_rest_keeps_its_order(
    rabbit: Rabbit, give_back: GiveBack
) -> None:
    second = await channel_of(rabbit)
    await second.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 15))
    connection = await rabbit.connect()
    first = await connection.channel()
    await first.qos(10)
    await first.consume(QUEUE, "first")
    held = await delivered(first, 10)
    for delivery in held[1::2]:
        await first.ack(delivery.tag)
    await delivered(first, 5)

    await give_back(connection, first, held)
    await ready_is(rabbit, 10)
    await second.consume(QUEUE, "second")

    assert bodies(await delivered(second, 10)) == ["0", "2", "4", "6", "8", *numbered(10, 15)]


@classic_queues
async def test_nacks_in_any_order_put_each_message_back_to_its_place(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=10)
    await channel.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 20))
    await channel.consume(QUEUE, "first")
    held = await delivered(channel, 10)
    await channel.cancel("first")
    assert await channel.next() == CancelOk("first")

    for delivery in reversed(held):
        await channel.nack(delivery.tag)
    await ready_is(rabbit, 20)
    await channel.qos(0)
    await channel.consume(QUEUE, "second")

    assert bodies(await delivered(channel, 20)) == numbered(0, 20)


@quorum_queues
async def test_a_quorum_queue_serves_what_came_back_in_the_order_in_which_it_did(rabbit: Rabbit) -> None:
    """So nacks go in order, and nothing is nacked while its consumer still runs and holds younger messages."""
    channel = await channel_of(rabbit, prefetch=3)
    await channel.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 5))
    await channel.consume(QUEUE, "first")
    held = await delivered(channel, 3)
    await channel.nack(held[0].tag)
    assert bodies(await delivered(channel, 1)) == ["0"]

    await channel.close()
    await ready_is(rabbit, 5)
    second = await channel_of(rabbit)
    await second.consume(QUEUE, "second")

    assert bodies(await delivered(second, 5)) == ["1", "2", "0", "3", "4"]


@classic_queues
async def test_a_classic_queue_gives_a_message_its_place_although_it_came_back_before(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=3)
    await channel.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 5))
    await channel.consume(QUEUE, "first")
    held = await delivered(channel, 3)
    await channel.nack(held[0].tag)
    assert bodies(await delivered(channel, 1)) == ["0"]

    await channel.close()
    await ready_is(rabbit, 5)
    second = await channel_of(rabbit)
    await second.consume(QUEUE, "second")

    assert bodies(await delivered(second, 5)) == numbered(0, 5)


async def test_a_nacked_message_is_the_next_one_that_its_consumer_gets(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=1)
    await channel.declare_queue(QUEUE)
    await post(rabbit, "0", "1")
    await channel.consume(QUEUE, "alice")
    [delivery] = await delivered(channel, 1)

    await channel.nack(delivery.tag)

    [again] = await delivered(channel, 1)
    assert bodies([delivery, again]) == ["0", "0"]
    assert again.tag == delivery.tag + 1


async def test_only_what_was_delivered_before_is_marked_redelivered(rabbit: Rabbit) -> None:
    first = await channel_of(rabbit, prefetch=2)
    second = await channel_of(rabbit)
    await first.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 4))
    await first.consume(QUEUE, "first")
    before = await delivered(first, 2)

    await first.close()
    await ready_is(rabbit, 4)
    await second.consume(QUEUE, "second")

    assert [delivery.redelivered for delivery in before] == [False, False]
    assert [delivery.redelivered for delivery in await delivered(second, 4)] == [True, True, False, False]
