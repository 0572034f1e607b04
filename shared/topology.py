"""Every exchange and queue, with its arguments: declared by the dispatcher, the same way each time.

Arguments are frozen when a queue is made: whoever changes them here must think of the queues that exist.
"""

import re

from aiormq.abc import AbstractChannel, ArgumentsType
from pamqp import constants

from shared.names import (
    CENSUS,
    DEAD_LETTERS,
    DISPATCHERS_EXCHANGE,
    GATEWAYS_EXCHANGE,
    MESSAGES,
    PARTITIONS,
    RECEIPTS,
    SESSIONS_EXCHANGE,
    UNROUTED,
    UNROUTED_EXCHANGE,
    sessions_queue,
    user_queue,
)
from shared.settings import QueueType

LEASE_SECONDS = 900
"""A lease that no dispatcher has read for so long is forgotten; gateways renew well within it."""

# RabbitMQ 4 drops a message of a quorum queue after 20 returns, and 3.10 at the first one if told "-1".
DELIVERY_LIMIT = 1_000_000
_QUEUE_NAME = re.compile(r"[A-Za-z0-9-_.:@#,/+ |=~]*")
"""What pamqp 4.0 allows, and what only user ids have."""
_SINGLE: dict[str, bool] = {"x-single-active-consumer": True}


def name_every_user() -> None:
    """Lets pamqp name the queue of every user id: by itself it knows fewer characters than RabbitMQ. Idempotent."""
    constants.DOMAIN_REGEX["queue-name"] = _QUEUE_NAME


def queue_arguments(queue_type: QueueType) -> ArgumentsType:
    """Of every durable queue. `classic` is not said: it is what RabbitMQ makes of saying nothing."""
    if queue_type is QueueType.QUORUM:
        return {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
    return {}


async def declare_all(channel: AbstractChannel, queue_type: QueueType) -> None:
    """Idempotent. Raises aiormq's `ChannelPreconditionFailed` when something exists with other arguments."""
    durable = queue_arguments(queue_type)
    await channel.exchange_declare(UNROUTED_EXCHANGE, exchange_type="fanout", durable=True)
    await channel.queue_declare(UNROUTED, durable=True, arguments={**durable, **_SINGLE})
    await channel.queue_bind(UNROUTED, UNROUTED_EXCHANGE)
    # Not before: as soon as it is there publishers are told that their messages are held.
    await channel.exchange_declare(MESSAGES, durable=True, arguments={"alternate-exchange": UNROUTED_EXCHANGE})

    await channel.exchange_declare(DEAD_LETTERS, exchange_type="fanout", durable=True)
    for exchange in (SESSIONS_EXCHANGE, GATEWAYS_EXCHANGE, DISPATCHERS_EXCHANGE, RECEIPTS):
        await channel.exchange_declare(exchange, durable=True)

    await channel.queue_declare(DEAD_LETTERS, durable=True, arguments=durable)
    await channel.queue_bind(DEAD_LETTERS, DEAD_LETTERS)
    await declare_census(channel, queue_type)
    for partition in range(PARTITIONS):
        await declare_sessions(channel, partition, queue_type)
        await channel.queue_bind(sessions_queue(partition), SESSIONS_EXCHANGE, sessions_queue(partition))


async def declare_sessions(channel: AbstractChannel, partition: int, queue_type: QueueType) -> None:
    """The queue of one partition's leases."""
    arguments = {**queue_arguments(queue_type), **_SINGLE, "x-message-ttl": LEASE_SECONDS * 1000}
    await channel.queue_declare(sessions_queue(partition), durable=True, arguments=arguments)


async def declare_census(channel: AbstractChannel, queue_type: QueueType) -> int:
    """Returns how many dispatchers live. Not a single active consumer's queue: quorum ones count only that one."""
    declared = await channel.queue_declare(CENSUS, durable=True, arguments=queue_arguments(queue_type))
    return declared.consumer_count or 0


async def declare_user(channel: AbstractChannel, user: str, queue_type: QueueType) -> None:
    """The user's queue, not bound yet. A mismatch raises as in `declare_all`, and closes the channel."""
    await channel.queue_declare(user_queue(user), durable=True, arguments={**queue_arguments(queue_type), **_SINGLE})


async def bind_user(channel: AbstractChannel, user: str) -> None:
    """From now on `messages` reaches the user's queue without a detour. Idempotent."""
    await channel.queue_bind(user_queue(user), MESSAGES, user)
