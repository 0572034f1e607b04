"""What a client sends is larger than what the broker takes, though not than MAX_MESSAGE_BYTES."""

import asyncio

from deploy.local.broker import Broker
from tests.e2e.conftest import Device
from tests.support.limits import max_message_size
from tests.support.services import Services
from tests.support.tokens import token

MOST = 10_000


async def test_it_is_answered_too_large_and_costs_the_broker_link_only_once(
    broker: Broker, services: Services, device: Device, alice: str
) -> None:
    with max_message_size(broker, MOST):
        gateway, _ = await services.pair()
        phone = device("phone", alice)
        await phone.connect(gateway.url, token(alice, send="*"))
        await phone.online()

        first = await phone.send(alice, "x" * 2 * MOST)
        async with asyncio.timeout(30):
            while not await gateway.metric("restante_broker_link_losses_total"):
                pass
        await gateway.ready()
        second = await phone.send(alice, "x" * 3 * MOST)
        third = await phone.send(alice, "small", id="m1")
        await phone.received([f"{alice}/m1"])

        assert [answer.get("error") for answer in (first, second, third)] == ["too_large", "too_large", None]
        assert f"where the broker takes {MOST}" in str(first["detail"])
        assert await gateway.metric("restante_broker_link_losses_total") == 1
