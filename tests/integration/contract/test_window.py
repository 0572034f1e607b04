"""The prefetch is the window: so many unacked and no more, for each consumer by itself."""

from tests.integration.contract.rabbit import Rabbit
from tests.integration.contract.steps import QUEUE, bodies, channel_of, delivered, numbered, post, ready_is
from tests.simulation.events import CancelOk


async def test_a_consumer_holds_as_many_as_its_prefetch_and_each_ack_brings_one_more(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=3)
    await channel.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 6))
    await channel.consume(QUEUE, "alice")
    held = await delivered(channel, 3)
    assert await channel.silent()

    await channel.ack(held[1].tag)

    assert bodies(await delivered(channel, 1)) == ["3"]
    assert await channel.silent()


async def test_a_prefetch_applies_to_the_consumers_made_after_it(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=1)
    await channel.declare_queue("user.alice")
    await channel.declare_queue("user.bob")
    await post(rabbit, *numbered(0, 3), queue="user.alice")
    await post(rabbit, *numbered(0, 3), queue="user.bob")

    await channel.consume("user.alice", "alice")
    await channel.qos(2)
    await channel.consume("user.bob", "bob")

    first, *rest = await delivered(channel, 3)
    assert [d.consumer_tag for d in (first, *rest)] == ["alice", "bob", "bob"]
    assert await channel.silent()


async def test_consumers_of_one_channel_have_a_window_each(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=2)
    for queue in ("user.alice", "user.bob"):
        await channel.declare_queue(queue)
        await post(rabbit, *numbered(0, 3), queue=queue)
    await channel.consume("user.alice", "alice")
    of_alice = await delivered(channel, 2)
    await channel.consume("user.bob", "bob")
    await delivered(channel, 2)

    await channel.ack(of_alice[0].tag)

    [more] = await delivered(channel, 1)
    assert (more.consumer_tag, bodies([more])) == ("alice", ["2"])
    assert await channel.silent()


async def test_a_consumer_without_acks_has_no_window(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=1)
    await channel.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 5))

    await channel.consume(QUEUE, "alice", no_ack=True)

    assert bodies(await delivered(channel, 5)) == numbered(0, 5)
    await ready_is(rabbit, 0)


async def test_what_a_cancelled_consumer_holds_stays_out_and_may_still_be_acked(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=2)
    await channel.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 4))
    await channel.consume(QUEUE, "alice")
    held = await delivered(channel, 2)

    await channel.cancel("alice")
    assert await channel.next() == CancelOk("alice")
    await ready_is(rabbit, 2)
    await channel.ack(held[0].tag)
    await channel.nack(held[1].tag)

    await ready_is(rabbit, 3)
    assert await channel.silent()


async def test_cancelling_what_nobody_consumes_is_answered_like_any_other_cancel(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)

    await channel.cancel("nobody")

    assert await channel.next() == CancelOk("nobody")
