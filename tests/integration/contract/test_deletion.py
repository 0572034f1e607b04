"""An operator deletes or purges a queue under its consumer."""

from tests.integration.contract.rabbit import Rabbit
from tests.integration.contract.steps import QUEUE, bodies, channel_of, closed_with, delivered, numbered, post, ready_is
from tests.simulation.events import Cancelled


async def test_the_consumer_of_a_deleted_queue_is_cancelled_by_the_broker(rabbit: Rabbit) -> None:
    channel, waiting = await channel_of(rabbit), await channel_of(rabbit)
    await channel.declare_queue(QUEUE, single_active_consumer=True)
    await channel.consume(QUEUE, "alice")
    await waiting.consume(QUEUE, "waiting")

    await rabbit.delete_queue(QUEUE)

    assert await channel.next() == Cancelled("alice")
    assert await waiting.next() == Cancelled("waiting")
    assert await rabbit.count(QUEUE) is None


async def test_acks_and_nacks_for_what_a_deleted_queue_had_delivered_do_no_harm(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 4))
    await channel.consume(QUEUE, "alice")
    held = await delivered(channel, 4)
    await rabbit.delete_queue(QUEUE)
    assert await channel.next() == Cancelled("alice")

    await channel.ack(held[0].tag)
    await channel.nack(held[1].tag)

    assert await channel.silent()
    await channel.ack(held[0].tag)
    assert await closed_with(channel) == 406


async def test_a_queue_made_anew_under_its_old_name_has_nothing_of_the_old_one(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 4))
    await channel.consume(QUEUE, "alice")
    held = await delivered(channel, 4)
    await rabbit.delete_queue(QUEUE)
    assert await channel.next() == Cancelled("alice")

    await channel.declare_queue(QUEUE, single_active_consumer=True)
    await channel.consume(QUEUE, "alice")
    await channel.nack(held[0].tag)
    await post(rabbit, "new")

    assert bodies(await delivered(channel, 1)) == ["new"]


async def test_a_deleted_queue_takes_its_bindings_along(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_exchange("messages", "direct")
    await channel.declare_queue(QUEUE)
    await channel.bind(QUEUE, "messages", "alice")
    await rabbit.delete_queue(QUEUE)

    await channel.declare_queue(QUEUE)
    await post(rabbit, "by name")

    await ready_is(rabbit, 1)


async def test_a_purge_takes_what_is_ready_and_leaves_what_is_held(rabbit: Rabbit) -> None:
    channel, other = await channel_of(rabbit, prefetch=2), await channel_of(rabbit)
    await channel.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 6))
    await channel.consume(QUEUE, "alice")
    await delivered(channel, 2)

    await rabbit.purge_queue(QUEUE)
    await channel.close()
    await other.consume(QUEUE, "alice")

    assert bodies(await delivered(other, 2)) == ["0", "1"]
    assert await other.silent()
