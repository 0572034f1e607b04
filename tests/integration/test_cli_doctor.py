"""`restante doctor` against a real broker: what it finds well, what it finds wrong, and that it changes nothing."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from aiormq.abc import AbstractChannel

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from shared import topology
from shared.names import DEAD_LETTERS, UNROUTED
from shared.settings import QueueType
from tests.support import rabbitmqctl
from tests.support.accounts import Accounts, accounts
from tests.support.command import Said, typed
from tests.support.office import Office, both_queue_types
from tests.support.services import SECRET, Services, free_port

pytestmark = pytest.mark.timeout(300)  # processes and brokers start slowly on a loaded machine

Checks = dict[str, dict[str, Any]]


def by_name(said: Said) -> Checks:
    """The worst of each name."""
    ranks = ("ok", "warn", "fail")
    found: Checks = {}
    for line in sorted(said.lines, key=lambda line: ranks.index(line["state"])):
        found[line["name"]] = line
    return found


async def examined(office: Office, until: Callable[[Checks], bool]) -> Said:
    """What it says once that holds: RabbitMQ's statistics are some seconds behind."""
    deadline = asyncio.get_running_loop().time() + 60
    while not until(by_name(said := await asyncio.to_thread(office.restante, "doctor", "--json"))):
        assert asyncio.get_running_loop().time() < deadline, said
        await asyncio.sleep(0.3)
    return said


@both_queue_types
async def test_a_broker_as_a_dispatcher_leaves_it_is_well_but_for_who_is_not_there(
    office: Office, request: pytest.FixtureRequest
) -> None:
    queue_type: QueueType = request.node.callspec.params["office"]
    office.environment |= {"BROKER_QUEUE_TYPE": queue_type.value, "GATEWAY_URL": f"http://127.0.0.1:{free_port()}"}

    said = await examined(office, lambda found: found["queues"]["state"] == "ok")

    states = {name: line["state"] for name, line in by_name(said).items()}
    assert states == {
        **dict.fromkeys(("version", "account", "alarms", "clock", "exchanges", "bindings", "queues", "policies"), "ok"),
        "gateways": "fail",
        "dispatchers": "fail",
        "gateway": "warn",
        "secret": "warn",
    }
    assert said.code == 1
    assert "2 checks failed" in said.err
    assert await office.ids(UNROUTED, 0) == []  # nothing was published to find out


async def test_with_both_services_all_is_well(office: Office, services: Services) -> None:
    gateway, _ = await services.pair()
    office.environment |= {"GATEWAY_URL": gateway.url, "GATEWAY_JWT_SECRET": SECRET}

    said = await examined(office, lambda found: all(line["state"] == "ok" for line in found.values()))

    assert said.code == 0
    assert by_name(said)["secret"]["said"].endswith("the same as the gateway's")
    office.environment["GATEWAY_JWT_SECRET"] = "another" * 8
    other = await asyncio.to_thread(office.restante, "doctor", "--json")
    assert (other.code, by_name(other)["secret"]["state"]) == (1, "fail")
    shown = await asyncio.to_thread(office.restante, "doctor")
    assert "→ give gateway and commands the same GATEWAY_JWT_SECRET" in " ".join(shown.out.split())


@pytest.fixture
async def services(broker_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    running = Services(broker_url, tmp_path_factory.mktemp("services"))
    yield running
    await running.end()


async def test_a_policy_that_loses_messages_is_found(office: Office, broker: Broker) -> None:
    host = quote(urlsplit(office.url).path[1:], safe="")
    policy = {"pattern": "^user", "definition": {"expires": 600_000, "max-length": 5}, "apply-to": "queues"}
    Management(broker.management_url).request("PUT", f"/api/policies/{host}/bad", policy)

    said = await examined(office, lambda found: found["policies"]["state"] == "fail")

    told = [line["said"] for line in said.lines if line["name"] == "policies"]
    assert any("`expires` deletes it" in line for line in told)
    assert any("`max-length` drops the oldest" in line for line in told)


async def test_what_is_missing_is_named(office: Office) -> None:
    async def spoil(channel: AbstractChannel) -> None:
        await channel.queue_unbind(UNROUTED, "messages.unrouted")
        await channel.queue_delete("sessions.3")
        await channel.exchange_delete("messages")
        await channel.exchange_declare("messages", durable=True)

    await office.with_channel(spoil)

    found = by_name(await examined(office, lambda found: found["queues"]["state"] == "fail"))

    assert "no alternate exchange" in found["exchanges"]["said"]
    assert "messages.unrouted to unrouted" in found["bindings"]["said"]
    assert "sessions.3" in found["queues"]["said"]


def test_a_broker_that_nothing_was_made_on_is_told_to_have_no_dispatcher(broker_url: str, broker: Broker) -> None:
    said = typed("doctor", "--json", BROKER_URL=broker_url, RABBITMQ_MANAGEMENT_URL=broker.management_url)

    assert said.code == 1
    assert by_name(said)["dispatchers"]["said"] == "none ever ran on this broker"


def test_without_the_management_api_it_checks_what_it_can(office: Office) -> None:
    office.environment["RABBITMQ_MANAGEMENT_URL"] = "http://guest:hidden@127.0.0.1:1/"

    said = office.restante("doctor", "--json")

    found = by_name(said)
    assert (found["management"]["state"], found["exchanges"]["state"]) == ("warn", "ok")
    assert "hidden" not in said.out + said.err


async def test_dead_letters_are_a_warning(office: Office) -> None:
    await office.bury("m1")

    found = by_name(await asyncio.to_thread(office.restante, "doctor", "--json"))

    assert found["dead letters"]["said"] == "1 message could not be delivered"
    assert await office.ids(DEAD_LETTERS, 1) == ["m1"]


def test_a_broker_that_is_away_is_a_failed_check() -> None:
    said = typed("doctor", "--json", BROKER_URL="amqp://guest:hidden@127.0.0.1:1/", GATEWAY_URL="http://127.0.0.1:1")

    assert (said.code, by_name(said)["broker"]["state"]) == (1, "fail")
    assert "hidden" not in said.out + said.err


def test_during_an_alarm_it_says_so_and_ends(office: Office, broker: Broker) -> None:
    with rabbitmqctl.memory_alarm(broker):
        said = office.restante("doctor", "--json")

    assert said.code == 1
    assert by_name(said)["account"]["state"] == "fail"
    assert "publishes in vain" in by_name(said)["account"]["said"]


@pytest.fixture
def known(broker: Broker) -> Iterator[Accounts]:
    with accounts(broker) as made:
        yield made


def test_an_account_that_may_only_look_can_ask(known: Accounts) -> None:
    async def declare() -> None:
        office = Office(known.root_url, known.management, QueueType.CLASSIC)
        await office.with_channel(lambda channel: topology.declare_all(channel, QueueType.CLASSIC))

    asyncio.run(declare())

    found = by_name(typed("doctor", "--json", **known.environment("operator")))

    assert "may look, not publish" in found["account"]["said"]
    assert (found["exchanges"]["state"], found["bindings"]["state"]) == ("ok", "ok")
