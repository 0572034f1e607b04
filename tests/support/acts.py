"""Everything that an account could try to do to what there is on the broker, and whether the broker lets it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from shared.broker import close, connect, wire
from shared.settings import BrokerSettings

Act = Callable[[AbstractChannel], Awaitable[object]]

EXCHANGES = ("messages", "messages.unrouted", "dead-letters", "receipts", "sessions", "gateways", "dispatchers")
OTHER_EXCHANGES = ("", "amq.direct", "amq.topic", "of-somebody-else")
QUEUES = (
    "user.alice",
    "unrouted",
    "dead-letters",
    "dispatcher.census",
    "sessions.7",
    "gateway.00ff",
    "dispatcher.00ff",
    "receipts.billing",
    "of-somebody-else",
)
# Not there, so that whoever may delete them breaks nothing; RabbitMQ asks for the right first.
NEW_QUEUES = ("user.bob", "sessions.8", "gateway.0a", "dispatcher.0a", "receipts.shop", "gateway.mine", "anything")


def everything() -> dict[tuple[str, ...], Act]:
    """Every act on everything that there is, those that leave the most as it was first."""
    acts: dict[tuple[str, ...], Act] = {}
    for exchange in (*EXCHANGES, *OTHER_EXCHANGES):
        acts["publish", exchange] = _publish(exchange)
    for queue in QUEUES:
        for exchange in (*EXCHANGES, *OTHER_EXCHANGES[1:]):
            acts["bind", queue, exchange] = _bind(queue, exchange)
    for queue in QUEUES:
        acts["consume", queue] = consume(queue)
        acts["empty", queue] = _empty(queue)
    for queue in (*QUEUES, *NEW_QUEUES):
        acts["declare or delete", queue] = _delete(queue)
    for exchange in (*EXCHANGES, *OTHER_EXCHANGES[1:]):
        acts["declare or delete", exchange] = _delete_exchange(exchange)
    return acts


def _publish(exchange: str) -> Act:
    return lambda channel: channel.basic_publish(b"{}", exchange=exchange, routing_key="user.alice")


def _bind(queue: str, exchange: str) -> Act:
    return lambda channel: channel.queue_bind(queue, exchange, "key")


def consume(queue: str) -> Act:
    async def begin(channel: AbstractChannel) -> None:
        tag = (await channel.basic_consume(queue, _ignore)).consumer_tag
        await channel.basic_cancel(tag or "")

    return begin


def _empty(queue: str) -> Act:
    return lambda channel: channel.queue_purge(queue)


def _delete(queue: str) -> Act:
    return lambda channel: channel.queue_delete(queue)


def _delete_exchange(exchange: str) -> Act:
    return lambda channel: channel.exchange_delete(exchange)


async def _ignore(_message: object) -> None:
    """Whether it may be consumed is all that is asked."""


@asynccontextmanager
async def logged_in(url: str) -> AsyncIterator[AbstractConnection]:
    connection = await connect(BrokerSettings(broker_url=url), "test")  # type: ignore[arg-type]  # as typed
    try:
        yield wire(connection)
    finally:
        await close(connection)


async def refused(connection: AbstractConnection, act: Act) -> bool:
    """Whether the broker says that this account may not. Anything else that it may say means that it might."""
    channel = await connection.channel(publisher_confirms=True)
    try:
        await act(channel)
    except ChannelAccessRefused:
        return True
    except ChannelPreconditionFailed:
        return False
    await channel.close()
    return False
