"""An exchange or a binding that somebody deletes is made anew: the broker tells nobody that it is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from aiormq.exceptions import ChannelNotFoundEntity, PublishError
from pamqp.commands import Basic

from shared.names import (
    DEAD_LETTERS,
    DISPATCHERS_EXCHANGE,
    GATEWAYS_EXCHANGE,
    MESSAGES,
    RECEIPTS,
    SESSIONS_EXCHANGE,
    UNROUTED,
    UNROUTED_EXCHANGE,
    partition_of,
    sessions_queue,
)
from shared.wire import UNBOUND, OutcomeKind
from tests.integration.dispatcher.gateway import Gateway
from tests.integration.dispatcher.running import Running
from tests.support.until import until

EXCHANGES = (
    MESSAGES,
    UNROUTED_EXCHANGE,
    DEAD_LETTERS,
    RECEIPTS,
    SESSIONS_EXCHANGE,
    GATEWAYS_EXCHANGE,
)
"""All but that of the dispatchers' own inboxes: without that one they start over."""


@pytest.fixture
def mends_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.generation.MEND_SECONDS", 0.5)


@pytest.fixture
def mends_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.generation.MEND_SECONDS", 3600.0)


@pytest.mark.usefixtures("mends_soon")
async def test_an_exchange_that_was_deleted_while_nothing_happened_is_made_anew(
    dispatcher: Running, gateway: Gateway
) -> None:
    for exchange in EXCHANGES:
        await gateway.channel.exchange_delete(exchange)

    for exchange in EXCHANGES:
        await _soon(partial(_exists, gateway, exchange))


@pytest.mark.usefixtures("mends_soon")
@pytest.mark.parametrize(
    ("exchange", "queue", "key"),
    [
        (UNROUTED_EXCHANGE, UNROUTED, ""),
        (DEAD_LETTERS, DEAD_LETTERS, ""),
        (SESSIONS_EXCHANGE, sessions_queue(7), sessions_queue(7)),
    ],
)
async def test_a_binding_that_was_deleted_while_nothing_happened_is_made_anew(
    dispatcher: Running, gateway: Gateway, exchange: str, queue: str, key: str
) -> None:
    await gateway.channel.queue_unbind(queue, exchange, key)

    await _soon(partial(_takes, gateway, exchange, key))


@pytest.mark.usefixtures("mends_soon")
async def test_what_clients_answer_is_asked_for_again_when_the_exchange_that_carries_it_was_deleted(
    dispatcher: Running, gateway: Gateway
) -> None:
    await _forwarded(gateway)

    await gateway.channel.exchange_delete(DISPATCHERS_EXCHANGE)
    await until(lambda: gateway.ids("alice") == ["1", "1"], "it is forwarded again")
    await gateway.report(OutcomeKind.CONFIRMED, gateway.forwards[-1:])

    await until(lambda: dispatcher.value("acked_total") == 1, "it is confirmed")


@pytest.mark.usefixtures("mends_soon")
async def test_what_clients_answer_arrives_again_after_the_inbox_of_the_dispatcher_was_unbound(
    dispatcher: Running, gateway: Gateway
) -> None:
    await _forwarded(gateway)

    await gateway.channel.exchange_delete(DISPATCHERS_EXCHANGE)
    await gateway.channel.exchange_declare(DISPATCHERS_EXCHANGE, durable=True)  # and all that were bound are not
    await _soon(lambda: _takes(gateway, DISPATCHERS_EXCHANGE, gateway.reply))
    await gateway.report(OutcomeKind.CONFIRMED, gateway.forwards[-1:])

    await until(lambda: dispatcher.value("acked_total") == 1, "it is confirmed")


@pytest.mark.usefixtures("mends_late")
async def test_the_queue_of_a_new_user_is_bound_soon_after_somebody_unbound_the_queue_of_first_messages(
    dispatcher: Running, gateway: Gateway
) -> None:
    await gateway.channel.queue_unbind(UNROUTED, UNROUTED_EXCHANGE, "")

    await gateway.open("alice")  # asks there for her queue to be bound, in vain

    await _soon(partial(_takes, gateway, UNROUTED_EXCHANGE, "bob"))
    await gateway.publish("alice", b"1", message_id="1")
    await until(lambda: gateway.ids("alice") == ["1"], "alice's message")


async def test_a_gateway_whose_inbox_was_unbound_is_told_past_the_exchange(
    dispatcher: Running, gateway: Gateway
) -> None:
    await gateway.open("alice")
    await gateway.publish("alice", b"1", message_id="1")
    await until(lambda: gateway.ids("alice") == ["1"], "the first message")

    await gateway.channel.queue_unbind(gateway.inbox, GATEWAYS_EXCHANGE, gateway.inbox)
    await gateway.publish("alice", b"1", message_id="2")

    await until(lambda: UNBOUND in gateway.types, "the gateway is told")


async def test_sessions_whose_leases_somebody_deleted_are_announced_again_and_served(
    dispatcher: Running, gateway: Gateway
) -> None:
    session = await gateway.open("alice")
    await gateway.publish("alice", b"1", message_id="1")
    await until(lambda: gateway.ids("alice") == ["1"], "the first message")

    await gateway.channel.queue_delete(sessions_queue(partition_of("alice")))
    await until(lambda: session in gateway.dropped, "the gateway is asked to announce it again")
    await gateway.open("alice")
    await gateway.publish("alice", b"1", message_id="2")

    await until(lambda: gateway.ids("alice") == ["1", "2"], "the second message")


async def _forwarded(gateway: Gateway) -> None:
    """A message that waits for its confirmation."""
    gateway.confirming = False
    await gateway.open("alice")
    await gateway.publish("alice", b"1", message_id="1")
    await until(lambda: gateway.ids("alice") == ["1"], "it is forwarded")


async def _soon(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(15):
        while not await holds():  # noqa: ASYNC110 -- the broker must be asked
            await asyncio.sleep(0.05)


async def _exists(gateway: Gateway, exchange: str) -> bool:
    channel = await gateway.connection.channel()
    try:
        await channel.exchange_declare(exchange, passive=True)
    except ChannelNotFoundEntity:
        return False
    await channel.close()
    return True


async def _takes(gateway: Gateway, exchange: str, key: str) -> bool:
    """Whether a queue gets what is published there. It is no more than a hello to whoever reads it."""
    channel = await gateway.connection.channel(on_return_raises=True)
    try:
        await channel.basic_publish(
            b"", exchange=exchange, routing_key=key, mandatory=True, properties=Basic.Properties(message_type="opened")
        )
    except (PublishError, ChannelNotFoundEntity):
        return False
    finally:
        await channel.close()
    return True
