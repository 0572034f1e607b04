"""Gateways and dispatchers come and go under load: who owns what, who waits for what, and nobody loses anything."""

import asyncio
import signal
import time
from itertools import pairwise

import pytest

from deploy.local.broker import Broker
from tests.e2e.conftest import Device
from tests.support.client import Client, Mode
from tests.support.command import typed
from tests.support.fleet import Fleet
from tests.support.judge import judge
from tests.support.load import Bound
from tests.support.node import NodeClient
from tests.support.publisher import Publisher
from tests.support.python_client import PythonClient
from tests.support.scaling import owned, shares, spread
from tests.support.services import Service, Services
from tests.support.stream import Stream, Timed, p99
from tests.support.tokens import token
from tests.support.until import until

CLIENTS = 16
NODE_CLIENTS = 2
PER_SECOND = 50.0
AT_ONCE = 8
"""Partitions that one dispatcher gives up at once."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def history() -> Timed:
    return Timed()


@pytest.fixture
def clients(device: Device, alice: str) -> list[Client]:
    kinds = [NodeClient] * NODE_CLIENTS + [PythonClient] * (CLIENTS - NODE_CLIENTS)
    return [device("phone", f"{alice}.{n}", kind) for n, kind in enumerate(kinds)]


async def test_partitions_become_even_as_dispatchers_join_leave_and_die_and_no_client_notices(
    services: Services, clients: list[Client], history: Timed, bound: Bound
) -> None:
    async with (
        Fleet(services, size=1) as fleet,
        Stream(services.broker_url, fleet.balancer.url, clients, history, bound, PER_SECOND) as stream,
    ):
        await spread(fleet.dispatchers)
        for change in ("second joins", "third joins", "one leaves", "one is killed"):
            began = time.monotonic()
            match change:
                case "one leaves":
                    await fleet.leave(fleet.dispatchers[0])
                case "one is killed":
                    fleet.dispatchers.pop(0).kill()
                case _:
                    await fleet.join()
            found = await spread(fleet.dispatchers)
            await stream.flow(1.0)
            late = p99(stream.latencies_ms(began, time.monotonic()))
            print(f"{change}: even after {found.seconds:.1f} s by way of {found.seen}, p99 {late} ms")
            if change.endswith("joins"):
                assert all(before[0] - after[0] <= 2 * AT_ONCE for before, after in pairwise(found.seen))
        await stream.still()
        verdict = judge(history)

    assert verdict.clean, verdict
    assert not verdict.repeated_without_seen
    assert all(len(client.sessions) == 1 for client in clients)


async def test_inspect_and_metrics_tell_the_same_about_who_owns_what(
    services: Services, broker: Broker, device: Device, alice: str
) -> None:
    gateway, first = await services.pair()
    second = services.dispatcher()
    await second.ready()
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await spread([first, second])
    environment = {"BROKER_URL": services.broker_url, "RABBITMQ_MANAGEMENT_URL": broker.management_url}

    async def told(*words: str) -> list[list[int]]:
        said = await asyncio.to_thread(typed, "inspect", *words, "--json", **environment)
        return sorted(owner["partitions"] for owner in said.lines[0]["owners"])

    deadline = time.monotonic() + 30.0
    while await told() != sorted(sorted(share) for share in await shares([first, second])):
        assert time.monotonic() < deadline, await told()  # the management API is some seconds late
    shown = (await asyncio.to_thread(typed, "inspect", **environment)).out

    assert "2 dispatchers" in shown
    for dispatcher in (first, second):
        assert dispatcher.log.read_text().partition("serving id=")[2].split()[0] in shown
    assert await first.metric("restante_partitions_owned") == 32 == len(await owned(first))


async def test_a_gateway_that_drains_takes_nobody_new_and_sends_its_clients_elsewhere_a_few_at_a_time(
    services: Services, clients: list[Client], history: Timed, bound: Bound
) -> None:
    async with (
        Fleet(services, size=1, settings={"GATEWAY_DRAIN_SECONDS": "3"}) as fleet,
        Stream(services.broker_url, fleet.balancer.url, clients, history, bound, PER_SECOND) as stream,
    ):
        [old] = fleet.gateways
        fresh = services.gateway()
        await fresh.ready(seconds=60.0)
        fleet.gateways.append(fresh)
        began = time.monotonic()
        old.terminate()
        await old.not_ready(seconds=3.0)
        late = PythonClient("late", clients[0].user, Timed())
        await late.connect(old.url, token("somebody.else"))
        assert late.sessions == []
        await late.end()
        assert await old.ended(seconds=60.0) == 0
        fleet.gateways.remove(old)
        await stream.flow(1.0)
        await stream.still()
        verdict = judge(history)

    assert verdict.clean, verdict
    assert not verdict.repeated_without_seen, "each client had a moment to answer"
    assert all(len(client.sessions) == 2 and not client.refusals for client in clients)
    assert stream.reconnects_per_second(began) < len(clients)
    assert "Traceback" not in old.tail()


async def test_a_dispatcher_that_drains_waits_for_outcomes_and_hands_idle_partitions_on_meanwhile(
    services: Services, publisher: Publisher, device: Device, alice: str, bob: str
) -> None:
    gateway, old = await services.pair(DISPATCHER_DRAIN_SECONDS="30", DISPATCHER_WINDOW="2")
    slow, quick = device("phone", alice), device("phone", bob)
    await slow.mode(Mode.SILENT)
    for client in (slow, quick):
        await client.connect(gateway.url, token(client.user))
        await client.online()
    for n in range(4):
        await publisher.publish(alice, n, id=f"m{n}")
    await slow.received(["m0", "m1"])
    fresh = services.dispatcher()
    await fresh.ready(seconds=60.0)

    old.terminate()
    await until(lambda: "draining" in old.tail(), "draining")
    await publisher.publish(bob, 1, id="b1")
    await quick.received(["b1"], seconds=25.0)  # before the slow one lets the old dispatcher go
    assert old.alive
    for message in ("m0", "m1"):
        await slow.confirm(message)
    assert await old.ended(seconds=60.0) == 0
    await slow.received(["m2", "m3"], seconds=60.0)

    assert slow.ids == ["m0", "m1", "m2", "m3"]
    assert len(slow.sessions) == len(quick.sessions) == 1
    assert not any(message.redelivered for message in slow.messages), "the broker was acked before the partition went"
    assert "unsettled=0" in old.tail()


async def test_a_dispatcher_that_drains_does_not_wait_for_ever(
    services: Services, publisher: Publisher, device: Device, alice: str
) -> None:
    gateway, old = await services.pair(DISPATCHER_DRAIN_SECONDS="1")
    slow = device("phone", alice)
    await slow.mode(Mode.SILENT)
    await slow.connect(gateway.url, token(alice))
    await slow.online()
    await publisher.publish(alice, 1, id="m1")
    await slow.received(["m1"])

    old.terminate()
    assert await old.ended(seconds=30.0) == 0
    fresh = services.dispatcher()
    await fresh.ready(seconds=60.0)
    await slow.confirm("m1")
    await publisher.publish(alice, 2, id="m2")
    await slow.received(["m2"], seconds=60.0)

    assert slow.ids == ["m1", "m2"]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_both_services_at_once_and_loses_nothing(
    services: Services, clients: list[Client], history: Timed, bound: Bound, second: signal.Signals
) -> None:
    long = {"GATEWAY_DRAIN_SECONDS": "300", "DISPATCHER_DRAIN_SECONDS": "300"}
    await clients[0].mode(Mode.DELAY, delay_seconds=3.0)  # there is something to wait for all the time
    async with (
        Fleet(services, size=1, settings=long) as fleet,
        Stream(services.broker_url, fleet.balancer.url, clients, history, bound, PER_SECOND) as stream,
    ):
        old: list[Service] = [*fleet.gateways, *fleet.dispatchers]
        fresh = services.gateway()
        await fresh.ready(seconds=60.0)
        await fleet.join()
        await stream.flow(2.0)
        fleet.gateways.append(fresh)
        for service in old:
            service.terminate()
            await until(lambda service=service: "draining" in service.tail(), "draining")  # type: ignore[misc]  # a default
            service.process.send_signal(second)
            assert await service.ended(seconds=10.0) == 128 + second
        await clients[0].mode(Mode.CONFIRM)
        await stream.flow(1.0)
        await stream.still(seconds=90.0)
        verdict = judge(history)

    assert verdict.clean, verdict
