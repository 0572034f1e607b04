"""What waits already is larger than what the broker takes by now: it becomes dead letters, in parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pamqp.commands import Basic

from deploy.local.broker import Broker
from shared.names import DEAD_LETTERS
from tests.integration.dispatcher.gateway import Gateway
from tests.integration.dispatcher.running import Running, serving
from tests.support.limits import max_message_size
from tests.support.load import Bound
from tests.support.until import until

MOST = 10_000
LARGE = b"{" + bytes(range(256)) * 100  # no JSON: it must become a dead letter


@asynccontextmanager
async def lowered(broker: Broker, broker_url: str, bound: Bound | None) -> AsyncIterator[tuple[Running, Gateway]]:
    """A large message waits for alice, who has a queue or has none; then the broker takes less, and services start."""
    async with serving(broker_url):
        gateway = await Gateway.join(broker_url)
        if bound is not None:
            await gateway.open("alice", "a session from before")
            await bound("alice")
    await gateway.publish("alice", LARGE, message_id="large", app_id="shop")
    await gateway.leave()
    with max_message_size(broker, MOST):
        async with serving(broker_url) as dispatcher:
            gateway = await Gateway.join(broker_url)
            try:
                yield dispatcher, gateway
            finally:
                await gateway.leave()


async def come_back_after_the_refusal(dispatcher: Running, gateway: Gateway) -> None:
    """As a gateway's sessions do: to the generation that met the large message, and to the next."""
    await gateway.open("alice")
    await until(lambda: dispatcher.value("generations_total") == 2, "everything started over", 30)
    await until(lambda: dispatcher.value("partitions_owned") == 64, "it serves again", 30)
    await gateway.open("alice")


async def letters(gateway: Gateway, dispatcher: Running, reason: str) -> list[tuple[Basic.Properties, bytes]]:
    await until(lambda: dispatcher.value("dead_lettered_total", reason=reason) == 1, "the letter is there", 30)
    taken = []
    while (message := await gateway.take(DEAD_LETTERS)) is not None:
        taken.append((message.header.properties, message.body))
    return taken


@pytest.mark.parametrize(("known", "reason"), [(True, "bad_body"), (False, "too_large")])
async def test_a_message_that_the_broker_takes_no_more_becomes_dead_letters_in_parts(
    broker: Broker, broker_url: str, bound: Bound, known: bool, reason: str
) -> None:
    async with lowered(broker, broker_url, bound if known else None) as (dispatcher, gateway):
        await come_back_after_the_refusal(dispatcher, gateway)

        parts = await letters(gateway, dispatcher, reason)

        assert b"".join(body for _, body in parts) == LARGE
        headers = [properties.headers or {} for properties, _ in parts]
        assert [(each["reason"], each["x-part"], each["x-parts"]) for each in headers] == [
            (reason, part, 3) for part in (1, 2, 3)
        ]
        assert {(properties.message_id, properties.app_id) for properties, _ in parts} == {("large", "shop")}


@pytest.mark.parametrize("known", [True, False])
async def test_who_has_a_message_that_the_broker_takes_no_more_gets_the_next_ones(
    broker: Broker, broker_url: str, bound: Bound, known: bool
) -> None:
    async with lowered(broker, broker_url, bound if known else None) as (dispatcher, gateway):
        await gateway.publish("alice", b"1", message_id="next")
        await come_back_after_the_refusal(dispatcher, gateway)

        await until(lambda: "next" in gateway.ids("alice"), "the next one is forwarded", 30)

        assert dispatcher.value("generations_total") == 2  # one refusal, and no more
        await letters(gateway, dispatcher, "bad_body" if known else "too_large")
