"""Messages expire at the head of their queue, and nowhere else."""

from tests.integration.contract.rabbit import Letter, Rabbit
from tests.integration.contract.steps import QUEUE, bodies, channel_of, delivered, post, ready_is

SHORT = 0.25
LATER = 0.6


async def test_an_expired_message_at_the_head_is_dropped(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_queue(QUEUE)
    await post(rabbit, Letter("short", expiration=SHORT), "long")

    await rabbit.elapse(LATER)

    await ready_is(rabbit, 1)
    await channel.consume(QUEUE, "alice")
    assert bodies(await delivered(channel, 1)) == ["long"]


async def test_an_expired_message_is_not_delivered_even_when_it_waited_behind_one_that_lives_longer(
    rabbit: Rabbit,
) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_queue(QUEUE)
    await post(rabbit, "long", Letter("short", expiration=SHORT), "last")

    await rabbit.elapse(LATER)
    await channel.consume(QUEUE, "alice")

    assert bodies(await delivered(channel, 2)) == ["long", "last"]
    assert await channel.silent()


async def test_what_a_consumer_holds_does_not_expire_but_does_when_it_comes_back(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=2)
    await channel.declare_queue(QUEUE)
    await post(rabbit, Letter("first", expiration=SHORT), Letter("second", expiration=SHORT), "third")
    await channel.consume(QUEUE, "alice")
    held = await delivered(channel, 2)

    await rabbit.elapse(LATER)
    assert await channel.silent()
    await channel.ack(held[0].tag)
    assert bodies(await delivered(channel, 1)) == ["third"]
    await channel.close()

    await ready_is(rabbit, 1)


async def test_the_time_to_live_of_a_queue_holds_for_every_message_and_the_shorter_one_counts(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_queue("short", ttl_seconds=SHORT)
    await channel.declare_queue("long", ttl_seconds=900)
    await post(rabbit, "a", Letter("b", expiration=900), queue="short")
    await post(rabbit, Letter("c", expiration=SHORT), "d", queue="long")

    await rabbit.elapse(LATER)

    await ready_is(rabbit, 0, queue="short")
    await ready_is(rabbit, 1, queue="long")


async def test_leases_that_nobody_reads_expire_and_those_that_are_held_do_not(rabbit: Rabbit) -> None:
    owner = await channel_of(rabbit, prefetch=1)
    await owner.declare_queue("sessions.7", single_active_consumer=True, ttl_seconds=SHORT)
    await owner.consume("sessions.7", "owner")
    await post(rabbit, "held", "ready", queue="sessions.7")
    [held] = await delivered(owner, 1)

    await rabbit.elapse(LATER)

    await ready_is(rabbit, 0, queue="sessions.7")
    await owner.ack(held.tag)
    assert await owner.silent()
