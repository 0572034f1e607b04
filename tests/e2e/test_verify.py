"""`restante verify` against running services: after work of every kind all sums fit, and a service is missed."""

import asyncio

import pytest

from deploy.local.broker import Broker
from tests.e2e.conftest import Device
from tests.support.client import Mode
from tests.support.command import Said, typed
from tests.support.history import History
from tests.support.publisher import Publisher
from tests.support.scaling import spread
from tests.support.services import Service, Services
from tests.support.tokens import token

pytestmark = pytest.mark.timeout(300)


async def verified(services: Services, broker: Broker, *asked: Service, words: tuple[str, ...] = ("--json",)) -> Said:
    environment = {"BROKER_URL": services.broker_url, "RABBITMQ_MANAGEMENT_URL": broker.management_url}
    addresses = [f"http://127.0.0.1:{service.health_port}" for service in asked]
    return await asyncio.to_thread(typed, "verify", *addresses, *words, **environment)


async def test_everything_adds_up_after_confirmations_refusals_dead_letters_and_a_client_that_left(
    services: Services, broker: Broker, publisher: Publisher, device: Device, alice: str, history: History
) -> None:
    gateway, first = await services.pair()
    second = services.dispatcher()
    await second.ready()
    await spread([first, second])
    phone, tablet = device("phone", alice), device("tablet", f"{alice}.2")
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.burst(alice, [f"m{n}" for n in range(40)])
    await publisher.put(alice, b"no JSON", "bad", {})
    await publisher.waits(alice, 0)
    await phone.mode(Mode.REFUSE, reason="no")
    await publisher.burst(alice, ["refused"])
    await publisher.waits(alice, 0)
    await tablet.connect(gateway.url, token(f"{alice}.2"))
    await tablet.online()
    await tablet.mode(Mode.SILENT)
    await publisher.burst(f"{alice}.2", ["n1", "n2"])
    await tablet.received(["n1", "n2"], seconds=30.0)
    await tablet.vanish()

    said = await verified(services, broker, gateway, first, second)

    assert said.code == 0, said.out
    (answer,) = said.lines
    assert answer["fits"]
    names = {check["name"] for check in answer["checks"]}
    assert {"partitions", "on the way out", "on the way back", "sessions", "held", "leases", "acks"} <= names


async def test_a_dispatcher_that_is_not_asked_is_missed(services: Services, broker: Broker) -> None:
    gateway, first = await services.pair()
    second = services.dispatcher()
    await second.ready()
    await spread([first, second])

    said = await verified(services, broker, gateway, first, words=())

    assert said.code == 1
    assert "32 owned by 1 dispatcher, of 64" in " ".join(said.out.split())
    assert "1 sum did not fit." in said.out


async def test_where_no_service_answers_nothing_is_said_about_sums(services: Services, broker: Broker) -> None:
    environment = {"BROKER_URL": services.broker_url, "METRICS_URLS": "http://127.0.0.1:9"}

    said = await asyncio.to_thread(typed, "verify", **environment)

    assert said.code == 4
    assert "no service answers: http://127.0.0.1:9" in said.err
