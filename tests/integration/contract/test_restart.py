"""What a restart of the broker leaves."""

from tests.integration.contract.rabbit import Letter, Rabbit
from tests.integration.contract.steps import (
    QUEUE,
    bodies,
    channel_of,
    classic_queues,
    delivered,
    numbered,
    post,
    ready_is,
)
from tests.simulation.events import Confirmed


async def test_durable_queues_keep_persistent_messages_in_order_held_or_not(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=5)
    await channel.declare_exchange("messages", "direct")
    await channel.declare_queue(QUEUE, single_active_consumer=True)
    await channel.bind(QUEUE, "messages", "alice")
    await channel.declare_queue("gateway.1", exclusive=True)
    await post(rabbit, *numbered(0, 10))
    await channel.consume(QUEUE, "alice")
    held = await delivered(channel, 5)
    await channel.ack(held[2].tag)
    await delivered(channel, 1)
    await ready_is(rabbit, 4)

    await rabbit.restart()

    await ready_is(rabbit, 9)
    await ready_is(rabbit, None, queue="gateway.1")
    channel = await channel_of(rabbit)
    token = await channel.publish("messages", "alice", Letter("10"), mandatory=True)
    assert await channel.next() == Confirmed(token)
    await channel.consume(QUEUE, "alice")
    after = await delivered(channel, 10)
    assert bodies(after) == ["0", "1", *numbered(3, 11)]
    assert [delivery.redelivered for delivery in after[:5]] == [True] * 5


@classic_queues
async def test_transient_messages_are_gone_held_or_not(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit, prefetch=2)
    await channel.declare_queue(QUEUE)
    await post(rabbit, "0", Letter("1", persistent=False), "2", Letter("3", persistent=False))
    await channel.consume(QUEUE, "alice")
    await delivered(channel, 2)

    await rabbit.restart()

    channel = await channel_of(rabbit)
    await channel.consume(QUEUE, "alice")
    assert bodies(await delivered(channel, 2)) == ["0", "2"]
    assert await channel.silent()
