"""What the broker refuses closes the channel, that channel alone, and all that it held comes back."""

from tests.integration.contract.rabbit import Letter, Rabbit
from tests.integration.contract.steps import QUEUE, bodies, channel_of, closed_with, delivered, numbered, post


async def test_a_second_ack_of_one_delivery_closes_the_channel_and_everything_on_it_comes_back(rabbit: Rabbit) -> None:
    channel, other = await channel_of(rabbit), await channel_of(rabbit)
    await channel.declare_queue(QUEUE)
    await post(rabbit, *numbered(0, 4))
    await channel.consume(QUEUE, "alice")
    held = await delivered(channel, 4)

    await channel.ack(held[1].tag)
    await channel.ack(held[1].tag)

    assert await closed_with(channel) == 406
    await other.consume(QUEUE, "alice")
    assert bodies(await delivered(other, 3)) == ["0", "2", "3"]


async def test_an_ack_of_what_was_never_delivered_closes_the_channel(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)

    await channel.ack(1)

    assert await closed_with(channel) == 406


async def test_a_delivery_that_needs_no_ack_must_not_be_acked(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_queue(QUEUE)
    await post(rabbit, "0")
    await channel.consume(QUEUE, "alice", no_ack=True)
    [delivery] = await delivered(channel, 1)

    await channel.ack(delivery.tag)

    assert await closed_with(channel) == 406


async def test_consuming_a_queue_that_is_not_there_closes_the_channel(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)

    await channel.consume("user.nobody", "nobody")

    assert await closed_with(channel) == 404


async def test_publishing_to_an_exchange_that_is_not_there_closes_the_channel(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)

    await channel.publish("nowhere", "alice", Letter("hello"))

    assert await closed_with(channel) == 404


async def test_binding_needs_both_the_queue_and_the_exchange(rabbit: Rabbit) -> None:
    first, second = await channel_of(rabbit), await channel_of(rabbit)
    await first.declare_queue(QUEUE)
    await first.declare_exchange("messages", "direct")

    await first.bind("user.nobody", "messages", "nobody")
    await second.bind(QUEUE, "nowhere", "alice")

    assert await closed_with(first) == 404
    assert await closed_with(second) == 404


async def test_a_queue_must_be_declared_again_with_the_same_arguments(rabbit: Rabbit) -> None:
    first, second, third = [await channel_of(rabbit) for _ in range(3)]
    await first.declare_queue(QUEUE, single_active_consumer=True)

    assert await second.declare_queue(QUEUE) is None
    assert await third.declare_queue(QUEUE, single_active_consumer=True, ttl_seconds=900) is None

    assert await closed_with(second) == 406
    assert await closed_with(third) == 406
    assert await first.declare_queue(QUEUE, single_active_consumer=True) == (0, 0)


async def test_an_exchange_must_be_declared_again_with_the_same_arguments(rabbit: Rabbit) -> None:
    first, second, third = [await channel_of(rabbit) for _ in range(3)]
    await first.declare_exchange("messages", "direct", alternate="messages.unrouted")

    await second.declare_exchange("messages", "fanout", alternate="messages.unrouted")
    await third.declare_exchange("messages", "direct")
    await first.declare_exchange("messages", "direct", alternate="messages.unrouted")

    assert await closed_with(second) == 406
    assert await closed_with(third) == 406
    assert await first.silent()


async def test_the_other_channels_of_the_connection_live_on(rabbit: Rabbit) -> None:
    connection = await rabbit.connect()
    wrong, right = await connection.channel(), await connection.channel()
    await right.declare_queue(QUEUE)
    await right.consume(QUEUE, "alice")

    await wrong.consume("user.nobody", "nobody")
    assert await closed_with(wrong) == 404
    await post(rabbit, "hello")

    assert bodies(await delivered(right, 1)) == ["hello"]
