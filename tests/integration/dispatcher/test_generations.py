"""A dispatcher whose connections are taken away starts over, and nothing is lost by it."""

import asyncio

import pytest

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from shared import broker as link
from shared.broker import BrokerAway
from shared.settings import BrokerSettings
from shared.wire import OutcomeKind
from tests.integration.dispatcher.gateway import Gateway
from tests.integration.dispatcher.running import Running
from tests.support.load import Bound
from tests.support.until import until


async def close_one(broker: Broker, purpose: str) -> None:
    """The connection of the running dispatcher with that purpose, as an operator would close it."""
    management = Management(broker.management_url)

    def names() -> list[str]:
        return [
            str(c["name"]).replace(" ", "%20").replace(">", "%3E")
            for c in management.request("GET", "/api/connections")
            if str((c.get("client_properties") or {}).get("connection_name", "")).endswith(purpose)
        ]

    async with asyncio.timeout(30):  # the management API hears of a connection after some seconds
        while True:
            if found := await asyncio.to_thread(names):
                break
            await asyncio.sleep(0.2)
    for name in found:
        await asyncio.to_thread(management.request, "DELETE", f"/api/connections/{name}")


@pytest.mark.parametrize("purpose", ["consume", "publish", "admin"])
async def test_whichever_connection_is_lost_all_start_over_and_nothing_is_lost(
    dispatcher: Running, gateway: Gateway, broker: Broker, bound: Bound, purpose: str
) -> None:
    gateway.confirming = False
    await gateway.open("alice")
    await bound("alice")
    for number in range(40):
        await gateway.publish("alice", b"1", message_id=str(number))
    await until(lambda: len(gateway.forwards) == 32, "a window is forwarded")

    await close_one(broker, purpose)
    await until(lambda: dispatcher.value("generations_total") == 2, "a second generation", 30)
    await until(lambda: len(gateway.forwards) == 64, "the window is forwarded again", 30)

    assert gateway.ids("alice")[32:] == [str(number) for number in range(32)]
    gateway.confirming = True
    await gateway.report(OutcomeKind.CONFIRMED, gateway.forwards[32:])
    await until(lambda: dispatcher.value("acked_total") == 40, "all are acked", 30)


async def test_an_end_by_signal_gives_back_what_is_not_confirmed(dispatcher: Running, gateway: Gateway) -> None:
    gateway.confirming = False
    await gateway.open("alice")
    for number in range(3):
        await gateway.publish("alice", b"1", message_id=str(number))
    await until(lambda: len(gateway.forwards) == 3, "all are forwarded")

    dispatcher.stop.set()
    await gateway.report(OutcomeKind.CONFIRMED, gateway.forwards[:1])
    await dispatcher.task

    assert dispatcher.value("acked_total") == 1
    assert await gateway.ready("user.alice") == 2


async def test_a_lost_connection_is_noticed_and_its_silence_can_be_measured(broker_url: str, broker: Broker) -> None:
    connection = await link.connect(BrokerSettings.model_validate({"broker_url": broker_url}), "test noticed")
    lost = link.lost(connection)
    assert 0 <= link.silent_seconds(connection) < 5

    await close_one(broker, "noticed")

    assert "CONNECTION_FORCED" in await asyncio.wait_for(lost, 10)
    await link.close(connection)


async def test_an_address_that_does_not_answer_is_passed_over_and_no_password_is_told() -> None:
    urls = "amqp://u:hush@127.0.0.1:1/,amqp://u:hush@127.0.0.1:2/"

    with pytest.raises(BrokerAway) as told:
        await link.connect(BrokerSettings.model_validate({"broker_url": urls}), "test")

    assert "127.0.0.1:1" in str(told.value)
    assert "127.0.0.1:2" in str(told.value)
    assert "hush" not in str(told.value)
