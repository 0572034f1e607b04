"""Releases that follow each other are mixed under load, and what nobody can read does no harm."""

import asyncio
import time
from urllib.parse import quote, urlsplit

import pytest

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from shared.broker import close, connect, wire
from shared.names import (
    CENSUS,
    DISPATCHERS_EXCHANGE,
    GATEWAYS_EXCHANGE,
    SESSIONS_EXCHANGE,
    partition_of,
    sessions_queue,
)
from shared.settings import BrokerSettings
from tests.e2e.conftest import Device
from tests.support.fleet import Fleet
from tests.support.judge import judge
from tests.support.load import Bound
from tests.support.node import NodeClient
from tests.support.publisher import Publisher
from tests.support.python_client import PythonClient
from tests.support.release import BETWEEN, FAR, NEW, Release
from tests.support.scaling import owned
from tests.support.services import Service, Services
from tests.support.stream import Stream, Timed, p99
from tests.support.tokens import token
from tests.support.until import TooLate

CLIENTS = 24
NODE_CLIENTS = 2
PER_SECOND = 60.0
DRAIN_SECONDS = 2.0
MOST_PER_SECOND = 2 * CLIENTS / DRAIN_SECONDS
"""Reconnects: all clients of one gateway over the time of its drain, and as much again for a machine that stutters."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def history() -> Timed:
    return Timed()


@pytest.mark.parametrize(("old", "new"), [(BETWEEN, NEW), (NEW, BETWEEN)], ids=["forward", "back"])
async def test_a_roll_out_under_load_loses_repeats_and_reorders_nothing(
    services: Services, device: Device, alice: str, history: Timed, bound: Bound, old: Release, new: Release
) -> None:
    kinds = [NodeClient] * NODE_CLIENTS + [PythonClient] * (CLIENTS - NODE_CLIENTS)
    clients = [device("phone", f"{alice}.{n}", kind) for n, kind in enumerate(kinds)]
    settings = {"GATEWAY_DRAIN_SECONDS": str(DRAIN_SECONDS)}

    async with (
        Fleet(services, release=old, settings=settings) as fleet,
        Stream(services.broker_url, fleet.balancer.url, clients, history, bound, PER_SECOND) as stream,
    ):
        before = time.monotonic()
        await stream.flow(5.0)
        began = time.monotonic()
        await fleet.replace_all(new)
        over = time.monotonic()
        await stream.flow(1.0)
        await stream.still()
        verdict = judge(history)
        unreadable = [await s.metric("restante_unreadable_batches_total") for s in fleet.gateways]
        for dispatcher in fleet.dispatchers:
            unreadable.append(await dispatcher.metric("restante_unreadable_total"))
            unreadable.append(await dispatcher.metric("restante_unreadable_leases"))

    print(
        f"p99 before {p99(stream.latencies_ms(before, began))} ms, during {p99(stream.latencies_ms(began, over))} ms; "
        f"{over - began:.1f} s, at most {stream.reconnects_per_second(began)} reconnects within a second"
    )
    assert verdict.clean, verdict
    assert set(unreadable) == {0.0}
    assert all(len(client.sessions) >= 2 for client in clients), "nobody stays on a gateway that is gone"
    assert stream.reconnects_per_second(began) <= MOST_PER_SECOND


async def test_what_a_far_release_says_is_counted_and_left_out_while_everybody_is_served(
    services: Services, broker: Broker, publisher: Publisher, device: Device, alice: str
) -> None:
    gateway, dispatcher = await services.pair()
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.publish(alice, 1, id="m1")
    await phone.received(["m1"])
    inboxes = await asyncio.to_thread(_queues, broker, services.broker_url)

    await _say(
        services.broker_url,
        *((GATEWAYS_EXCHANGE, inbox) for inbox in inboxes if inbox.startswith("gateway.")),
        *((DISPATCHERS_EXCHANGE, inbox) for inbox in inboxes if inbox.startswith("dispatcher.") and inbox != CENSUS),
        (SESSIONS_EXCHANGE, sessions_queue(partition_of(alice))),
    )
    await _counted(gateway, "restante_unreadable_batches_total")
    await _counted(dispatcher, "restante_unreadable_total")
    await _counted(dispatcher, "restante_unreadable_leases")
    await publisher.publish(alice, 2, id="m2")
    await phone.received(["m2"])

    assert phone.ids == ["m1", "m2"]
    assert len(phone.sessions) == 1
    assert partition_of(alice) in await owned(dispatcher)  # it can read that there is somebody to serve


async def test_a_dispatcher_that_can_read_no_lease_gives_the_partition_up_to_one_that_can(
    services: Services, publisher: Publisher, device: Device, alice: str
) -> None:
    far = services.dispatcher(FAR)
    await far.ready()
    gateway = services.gateway()
    await gateway.ready()
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await _counted(far, "restante_unreadable_leases")

    near = services.dispatcher()
    await near.ready()
    await publisher.publish(alice, 1, id="m1")
    await phone.received(["m1"], seconds=60.0)

    assert phone.ids == ["m1"]
    assert partition_of(alice) in await owned(near)


def _queues(broker: Broker, broker_url: str) -> list[str]:
    vhost = quote(urlsplit(broker_url).path[1:], safe="")
    queues: list[dict[str, str]] = Management(broker.management_url).request("GET", f"/api/queues/{vhost}?columns=name")
    return [queue["name"] for queue in queues]


async def _say(broker_url: str, *to: tuple[str, str]) -> None:
    """Something of a far version to each of these."""
    connection = await connect(BrokerSettings(broker_url=broker_url), "test")  # type: ignore[arg-type]  # as typed
    try:
        channel = await wire(connection).channel(on_return_raises=True)
        for exchange, key in to:
            await channel.basic_publish(b'9\n{"far":true}', exchange=exchange, routing_key=key, mandatory=True)
    finally:
        await close(connection)


async def _counted(service: Service, metric: str, *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not await service.metric(metric):
        if time.monotonic() > deadline:
            raise TooLate(f"{service.name} has no {metric}")
        await asyncio.sleep(0.05)
