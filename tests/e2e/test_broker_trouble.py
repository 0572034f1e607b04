"""The broker in trouble while messages flow: alarms, operators, addresses, certificates and passwords."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.broker import Broker
from tests.support.client import Seen
from tests.support.history import Attempted
from tests.support.publisher import Publisher
from tests.support.rabbitmqctl import Alarm, alarm
from tests.support.scene import Scene
from tests.support.services import Service
from tests.support.tokens import token

BACKLOG = 100
LARGE = "x" * 250_000

pytestmark = pytest.mark.slow


@asynccontextmanager
async def during(broker: Broker, kind: Alarm) -> AsyncIterator[None]:
    """The command takes a second or two; the test's own clients live meanwhile."""
    raised = alarm(broker, kind)
    await asyncio.to_thread(raised.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(raised.__exit__, None, None, None)


async def blocked(service: Service, wanted: float) -> None:
    deadline = asyncio.get_running_loop().time() + 15
    while await service.metric("restante_broker_blocked") != wanted:
        assert asyncio.get_running_loop().time() < deadline, f"{service.name} is not {wanted}"
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", list(Alarm))
async def test_during_an_alarm_a_backlog_is_delivered_and_acked_and_send_is_unavailable_at_once(
    scene: Scene, broker: Broker, publisher: Publisher, kind: Alarm
) -> None:
    gateway, dispatcher = await scene.services.pair()
    ids = [f"m{n}" for n in range(BACKLOG)]
    for client in scene.clients:
        await publisher.burst(client.user, ids)
        await publisher.publish(client.user, LARGE, id="large")
    alice = scene.clients[0]

    async with during(broker, kind):
        for client in scene.clients:
            await client.connect(gateway.url, token(client.user, send="*"), seen=Seen.CONFIRMED)
        for client in scene.clients:
            await client.received([*ids, "large"], seconds=60)
        await scene.acked()
        began = asyncio.get_running_loop().time()
        answer = await alice.send(alice.user, "too much", id="sent")
        waited = asyncio.get_running_loop().time() - began
        for service in (gateway, dispatcher):
            await blocked(service, 1)
            assert (await service.get("/readyz"))[0] == 200
    for service in (gateway, dispatcher):
        await blocked(service, 0)
    again = await alice.send(alice.user, "now it goes", id="sent again")
    await alice.received([f"{alice.user}/sent again"])
    for client in scene.clients:
        await publisher.publish(client.user, "after it", id="after")
        await client.received(["after"])
    # The broker may hold what was written before it said that it has an alarm.
    scene.history += [Attempted(alice.user, f"{alice.user}/{name}") for name in ("sent", "sent again")]
    verdict = await scene.settled()

    assert answer["error"] == "unavailable"
    assert waited < 3, "a client need not wait to learn that"
    assert again["ok"] is True
    assert verdict.clean, verdict
    assert not verdict.repeated_without_seen
    assert all(len(client.sessions) == 1 for client in scene.clients)
    for service in (gateway, dispatcher):
        log = service.log.read_text()
        assert log.count("the broker has an alarm") == 1
        assert log.count("alarm is over") == 1
        assert "unexpectedly" not in log
