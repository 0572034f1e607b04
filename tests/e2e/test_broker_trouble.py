"""The broker in trouble while messages flow: alarms, operators, addresses, certificates and passwords."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from tests.support.balancer import Balancer
from tests.support.certificates import Authority
from tests.support.client import Mode, Seen
from tests.support.history import Attempted
from tests.support.publisher import Publisher
from tests.support.rabbitmqctl import Alarm, alarm, rabbitmqctl
from tests.support.scene import Scene
from tests.support.services import Service
from tests.support.tokens import token
from tests.support.until import until

BACKLOG = 100
LONG = 500
SLOW_SECONDS = 3.0  # so slow that a backlog lasts over both alarms, although commands to the broker take seconds
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


async def there(publisher: Publisher, scene: Scene, count: int) -> None:
    """So many wait for each: the first messages for somebody new are moved, and that waits for the end of an alarm."""
    for client in scene.clients:
        await publisher.waits(client.user, count, seconds=60)


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
    await there(publisher, scene, BACKLOG + 1)
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


async def test_alarms_that_come_and_go_while_a_backlog_is_delivered_lose_reorder_and_repeat_nothing(
    scene: Scene, broker: Broker, publisher: Publisher
) -> None:
    gateway, _ = await scene.services.pair()
    second = scene.services.dispatcher()
    await second.ready()
    ids = [f"m{n}" for n in range(LONG)]
    first, leaving = scene.clients[:2]
    for client in scene.clients:
        await publisher.burst(client.user, ids)
    await there(publisher, scene, LONG)
    for client in scene.clients:
        await client.connect(gateway.url, token(client.user), seen=Seen.CONFIRMED)
        await client.mode(Mode.DELAY, delay_seconds=SLOW_SECONDS)

    for _ in range(2):
        async with during(broker, Alarm.MEMORY):
            # Who leaves and comes back meanwhile is announced by the side door.
            before = len(leaving.sessions)
            await leaving.disconnect()
            await leaving.connect(gateway.url, token(leaving.user), seen=Seen.CONFIRMED)
            await leaving.online(sessions=before + 1)
            await blocked(gateway, 1)
            so_far = len(first.messages)
            assert so_far < LONG, "the alarm was to come in the midst of it"
            await until(lambda: len(first.messages) >= min(LONG, so_far + 40), "a window and more")  # noqa: B023 -- at once
        await blocked(gateway, 0)
    for client in scene.clients:
        await client.mode(Mode.CONFIRM)
        await client.received(ids, seconds=60)
    verdict = await scene.settled()

    assert verdict.clean, verdict
    assert all(len(client.sessions) == 1 for client in scene.clients if client is not leaving)


async def test_all_connections_closed_by_an_operator_under_load_lose_and_repeat_nothing(
    scene: Scene, broker: Broker
) -> None:
    gateway, dispatcher = await scene.services.pair()

    async with scene.load(gateway.url) as load:
        for share in (0.2, 0.5):
            await load.passed(share)
            await asyncio.to_thread(rabbitmqctl, broker, "close_all_connections", "--global", "maintenance")
        await load.drained()
        verdict = await scene.settled()

    assert verdict.clean, verdict
    assert all(len(client.sessions) == 1 for client in scene.clients), "clients need not come back for it"
    for service in (gateway, dispatcher):
        assert "maintenance" in service.log.read_text(), "the log says what the operator said"


async def test_the_next_address_is_taken_when_one_is_gone(scene: Scene) -> None:
    address = scene.services.broker_url
    port = urlsplit(address).port
    assert port is not None

    async with Balancer([port]) as first, Balancer([port]) as second:
        ways = (first, second)
        scene.services.broker_url = ",".join(address.replace(str(port), str(way.port), 1) for way in ways)
        gateway, _ = await scene.services.pair()
        scene.services.broker_url = address
        async with scene.load(gateway.url) as load:
            for gone, other in ((first, second), (second, first)):
                await load.passed(0.2 if gone is first else 0.6)
                other.ports, gone.ports = [port], []
                await gone.cut()
            await load.drained()
            verdict = await scene.settled()

    assert verdict.clean, verdict
    assert all(len(client.sessions) == 1 for client in scene.clients)


async def test_messages_flow_over_tls_by_the_ca_that_is_named_through_alarms_too(
    scene: Scene, broker: Broker, publisher: Publisher, tmp_path: Path
) -> None:
    ours, another = Authority.made(tmp_path, "ours"), Authority.made(tmp_path, "another")
    address = scene.services.broker_url
    port = urlsplit(address).port
    assert port is not None

    async with Balancer([port], tls=ours.server(tmp_path)) as balancer:
        scene.services.broker_url = address.replace(str(port), str(balancer.port), 1).replace("amqp:", "amqps:")
        gateway, _ = await scene.services.pair(BROKER_CA_FILE=str(ours.file))
        strangers = [
            scene.services.gateway(BROKER_CA_FILE=str(another.file)),
            scene.services.dispatcher(BROKER_CA_FILE=str(another.file)),
        ]
        for stranger in strangers:
            await said(stranger, "CERTIFICATE_VERIFY_FAILED")
            await stranger.not_ready()
        scene.services.broker_url = address
        for client in scene.clients:
            await client.connect(gateway.url, token(client.user), seen=Seen.CONFIRMED)
            await publisher.publish(client.user, "over TLS", id="plainly")
            await client.received(["plainly"])
            await publisher.publish(client.user, LARGE, id="large")
            await client.received(["large"])
        for client in scene.clients:
            await client.disconnect()
        for client in scene.clients:
            await publisher.publish(client.user, "over TLS", id="through an alarm")
        await there(publisher, scene, 1)
        async with during(broker, Alarm.MEMORY):
            for client in scene.clients:
                await client.connect(gateway.url, token(client.user), seen=Seen.CONFIRMED)
                await client.received(["through an alarm"])
        for stranger in strangers:
            stranger.terminate()
            assert await stranger.ended() == 0
        verdict = await scene.settled()

    assert verdict.clean, verdict


async def said(service: Service, words: str) -> None:
    await until(lambda: words in service.log.read_text(), lambda: f"{words!r} in {service.tail()}", seconds=30)


@pytest.fixture
async def account(broker: Broker, broker_url: str) -> AsyncIterator["Account"]:
    management = Management(broker.management_url)
    made = Account(management, broker_url, f"restante-{uuid.uuid4().hex[:8]}")
    await made.set_password("first-password")
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    path = f"/api/permissions/{quote(urlsplit(broker_url).path[1:], safe='')}/{made.name}"
    await asyncio.to_thread(management.request, "PUT", path, everything)
    yield made
    await asyncio.to_thread(management.request, "DELETE", f"/api/users/{made.name}")


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the services log in as."""

    management: Management
    broker_url: str
    name: str

    def url(self, password: str) -> str:
        parts = urlsplit(self.broker_url)
        return f"amqp://{self.name}:{password}@{parts.hostname}:{parts.port}{parts.path}"

    async def set_password(self, password: str) -> None:
        change = {"password": password, "tags": ""}
        await asyncio.to_thread(self.management.request, "PUT", f"/api/users/{self.name}", change)

    async def close_connections(self, broker: Broker) -> None:
        await asyncio.to_thread(rabbitmqctl, broker, "close_all_user_connections", self.name, "new password")


async def test_a_password_that_is_changed_under_running_services_stops_them_until_it_is_right_again(
    scene: Scene, broker: Broker, account: Account
) -> None:
    address, scene.services.broker_url = scene.services.broker_url, account.url("first-password")
    gateway, dispatcher = await scene.services.pair()
    scene.services.broker_url = address

    async with scene.load(gateway.url) as load:
        await load.passed(0.2)
        await account.set_password("second-password")
        await account.close_connections(broker)
        for service in (gateway, dispatcher):
            await said(service, "ACCESS_REFUSED")
            await service.not_ready()
        await account.set_password("first-password")
        for service in (gateway, dispatcher):
            await service.ready()
        await load.drained()
        verdict = await scene.settled()

    assert verdict.clean, verdict
    for service in (gateway, dispatcher):
        assert "password@" not in service.log.read_text()
        assert "-password" not in service.log.read_text()


async def test_a_password_that_is_rotated_in_its_file_is_used_without_a_restart(
    scene: Scene, broker: Broker, account: Account, tmp_path: Path
) -> None:
    file = tmp_path / "broker-url"
    file.write_text(account.url("first-password"))
    gateway, dispatcher = await scene.services.pair(BROKER_URL="", BROKER_URL_FILE=str(file))

    async with scene.load(gateway.url) as load:
        await load.passed(0.2)
        file.write_text("")  # half-way through being written
        await account.set_password("second-password")
        await account.close_connections(broker)
        for service in (gateway, dispatcher):
            await said(service, "BROKER_URL_FILE")
        file.write_text(account.url("second-password"))
        for service in (gateway, dispatcher):
            await service.ready()
        await load.drained()
        verdict = await scene.settled()

    assert verdict.clean, verdict
