"""A quorum queue drops what came back more often than its delivery limit; a limit of a million never bites."""

from tests.integration.contract.rabbit import Rabbit
from tests.integration.contract.steps import (
    QUEUE,
    bodies,
    channel_of,
    delivered,
    post,
    quorum_queues,
    ready_is,
)


@quorum_queues
async def test_a_message_is_dropped_when_it_comes_back_once_more_than_the_limit(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_queue(QUEUE, delivery_limit=2)
    await post(rabbit, "0")

    for _ in range(3):
        consumer = await channel_of(rabbit)
        await consumer.consume(QUEUE, "alice")
        assert bodies(await delivered(consumer, 1)) == ["0"]
        await consumer.close()

    await ready_is(rabbit, 0)


@quorum_queues
async def test_a_message_outlives_thirty_owners_when_the_limit_is_a_million(rabbit: Rabbit) -> None:
    channel = await channel_of(rabbit)
    await channel.declare_queue(QUEUE, delivery_limit=1_000_000)
    await post(rabbit, "0")

    for _ in range(30):
        consumer = await channel_of(rabbit)
        await consumer.consume(QUEUE, "alice")
        assert bodies(await delivered(consumer, 1)) == ["0"]
        await consumer.close()
