"""Whatever dies, under load: nothing is lost, nothing comes out of order, nothing comes twice."""

import asyncio
from collections.abc import Sequence

import pytest

from deploy.local.broker import Broker, Kind
from tests.e2e.conftest import Device
from tests.support.balancer import Balancer
from tests.support.client import Client
from tests.support.history import History
from tests.support.load import Load
from tests.support.node import NodeClient
from tests.support.publisher import Publisher
from tests.support.python_client import PythonClient
from tests.support.services import Service, Services

MESSAGES = 150
USERS = 6

pytestmark = pytest.mark.slow


def devices_of(device: Device, alice: str) -> list[Client]:
    """One device for each user, of both kinds."""
    return [device("phone", f"{alice}.{n}", NodeClient if n % 2 else PythonClient) for n in range(USERS)]


async def all_drained(services: Sequence[Service], publisher: Publisher, clients: Sequence[Client]) -> None:
    """Whatever was confirmed must have left its queue: look when nobody holds anything any more."""
    for client in clients:
        await client.end()
    for service in services:
        if service.alive:
            service.terminate()
            await service.ended()
    for client in clients:
        await publisher.waits(client.user, 0)


async def test_a_killed_dispatcher_hands_its_users_to_the_other(
    services: Services, publisher: Publisher, device: Device, alice: str, history: History, broker_url: str
) -> None:
    gateway, first = await services.pair()
    second = services.dispatcher()
    await second.ready()
    clients = devices_of(device, alice)

    async with Load(broker_url, gateway.url, clients, history, MESSAGES) as load:
        await load.passed(0.2)
        first.kill()
        await load.passed(0.5)
        third = services.dispatcher()
        await third.ready()
        await load.passed(0.7)
        second.kill()
        verdict = await load.drained()

    assert verdict.clean, verdict
    assert not verdict.repeated_without_seen
    assert all(len(client.sessions) == 1 for client in clients), "a dispatcher's end is no business of clients"
    await all_drained(services.running, publisher, clients)


async def test_a_killed_gateway_loses_nothing_and_its_clients_come_back_on_the_other(
    services: Services, publisher: Publisher, device: Device, alice: str, history: History, broker_url: str
) -> None:
    first, _ = await services.pair()
    second = services.gateway()
    await second.ready()
    clients = devices_of(device, alice)

    async with (
        Balancer([first.port, second.port]) as balancer,
        Load(broker_url, balancer.url, clients, history, MESSAGES) as load,
    ):
        await load.passed(0.3)
        first.kill()
        verdict = await load.drained()

    assert verdict.clean, verdict
    assert all(len(client.sessions) == 2 for client in clients)
    await all_drained(services.running, publisher, clients)


async def test_a_frozen_dispatcher_is_replaced_and_does_no_harm_when_it_wakes(
    services: Services, publisher: Publisher, device: Device, alice: str, history: History, broker_url: str
) -> None:
    gateway, first = await services.pair()
    second = services.dispatcher()
    await second.ready()
    clients = devices_of(device, alice)

    async with Load(broker_url, gateway.url, clients, history, MESSAGES) as load:
        await load.passed(0.3)
        first.pause()
        verdict = await load.drained()  # only after the broker has given the frozen one up
        first.resume()
        await first.ready()

    assert verdict.clean, verdict
    assert not verdict.repeated_without_seen
    await all_drained(services.running, publisher, clients)


async def test_cut_connections_of_clients_lose_and_repeat_nothing(
    services: Services, publisher: Publisher, device: Device, alice: str, history: History, broker_url: str
) -> None:
    gateway, _ = await services.pair()
    clients = devices_of(device, alice)

    async with (
        Balancer([gateway.port]) as balancer,
        Load(broker_url, balancer.url, clients, history, MESSAGES) as load,
    ):
        for share in (0.2, 0.4, 0.6, 0.8):
            await load.passed(share)
            await balancer.cut()
        verdict = await load.drained()

    assert verdict.clean, verdict
    assert all(len(client.sessions) == 5 for client in clients)
    await all_drained(services.running, publisher, clients)


async def test_everything_killed_at_once_loses_and_repeats_nothing(
    services: Services, publisher: Publisher, device: Device, alice: str, history: History, broker_url: str
) -> None:
    gateways = [services.gateway() for _ in range(2)]
    dispatchers = [services.dispatcher() for _ in range(2)]
    for service in (*gateways, *dispatchers):
        await service.ready()
    clients = devices_of(device, alice)

    async with (
        Balancer([gateway.port for gateway in gateways]) as balancer,
        Load(broker_url, balancer.url, clients, history, MESSAGES) as load,
    ):
        await load.passed(0.3)
        for service in (*gateways, *dispatchers):
            service.kill()
        fresh = [services.gateway(), services.dispatcher()]
        balancer.ports = [fresh[0].port]
        verdict = await load.drained()

    assert verdict.clean, verdict
    await all_drained(services.running, publisher, clients)


async def test_a_broker_that_restarts_under_load_loses_and_repeats_nothing(
    services: Services, device: Device, alice: str, history: History, broker: Broker, broker_url: str
) -> None:
    if broker.kind == Kind.URL:
        pytest.skip("the broker at BROKER_URL is not ours to restart")
    gateway, _ = await services.pair()
    second = services.dispatcher()
    await second.ready()
    clients = devices_of(device, alice)

    async with Load(broker_url, gateway.url, clients, history, MESSAGES) as load:
        await load.passed(0.3)
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(broker.start)
        verdict = await load.drained()

    assert verdict.clean, verdict
    async with Publisher(broker_url) as publisher:
        await all_drained(services.running, publisher, clients)
