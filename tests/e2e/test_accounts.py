"""Everything that works, works when each service and each person logs in under the account that is theirs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from deploy.local.broker import Broker
from shared.settings import QueueType
from tests.e2e.conftest import Device
from tests.support.accounts import Accounts, accounts
from tests.support.client import Mode
from tests.support.command import Said, typed
from tests.support.history import History
from tests.support.judge import judge
from tests.support.publisher import Publisher
from tests.support.services import Service, Services
from tests.support.tokens import token
from tests.support.until import until


@dataclass(slots=True)
class Office:
    """Dispatchers and a gateway under their own accounts, and the commands under anybody's."""

    accounts: Accounts
    queue_type: QueueType
    services: Services
    dispatchers: list[Service]
    gateway: Service

    async def open(self) -> None:
        # The gateway before there is a dispatcher: the definitions have made the exchanges that it needs.
        await self.gateway.ready()
        for started in [self.dispatcher() for _ in range(2)]:
            await started.ready()

    def dispatcher(self) -> Service:
        url = self.accounts.url("dispatcher")
        started = self.services.dispatcher(BROKER_URL=url, BROKER_QUEUE_TYPE=self.queue_type.value)
        self.dispatchers.append(started)
        return started

    async def restante(self, account: str, *words: str) -> Said:
        # In a thread, because a command has an event loop of its own.
        return await asyncio.to_thread(lambda: typed(*words, **self.accounts.environment(account)))


@pytest.fixture(scope="module", params=list(QueueType))
def lasting_office(
    request: pytest.FixtureRequest, broker: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Office]:
    with accounts(broker, request.param) as known:
        services = Services(known.root_url, tmp_path_factory.mktemp("services"))
        gateway = services.gateway(BROKER_URL=known.url("gateway"), BROKER_QUEUE_TYPE=request.param.value)
        opened = Office(known, request.param, services, [], gateway)
        try:
            asyncio.run(opened.open())
            yield opened
        finally:
            asyncio.run(services.end())


@pytest.fixture
def office(lasting_office: Office) -> Iterator[Office]:
    """Whatever a test does, the broker refuses none of the services anything."""
    yield lasting_office
    for service in lasting_office.services.running:
        # Not just any refusal: a client may refuse a message, and a new quorum queue one that comes too early.
        assert "access_refused" not in service.log.read_text().lower(), service.tail()


@pytest.fixture
async def publisher(office: Office, history: History) -> AsyncIterator[Publisher]:
    async with Publisher(office.accounts.url("publisher"), history) as connected:
        yield connected


@pytest.fixture
async def root(office: Office) -> AsyncIterator[Publisher]:
    """To look where no account of ours may."""
    async with Publisher(office.accounts.root_url) as connected:
        yield connected


async def test_messages_from_before_and_after_the_first_contact_arrive(
    office: Office, publisher: Publisher, root: Publisher, device: Device, alice: str, history: History
) -> None:
    await publisher.publish(alice, {"n": 0}, id="m0")
    await root.waits(alice, 1)
    phone = device("phone", alice)
    await phone.connect(office.gateway.url, token(alice))
    await phone.received(["m0"])

    await publisher.burst(alice, ids := [f"m{n}" for n in range(1, 50)])
    await phone.received(["m0", *ids])

    await root.waits(alice, 0)
    assert judge(history).clean


async def test_what_a_client_sends_reaches_another(office: Office, device: Device, alice: str, bob: str) -> None:
    phone, laptop = device("phone", alice), device("laptop", bob)
    await phone.connect(office.gateway.url, token(alice, send="*"))
    await laptop.connect(office.gateway.url, token(bob))
    await phone.online()
    await laptop.online()

    answer = await phone.send(bob, "hello", id="1")

    assert answer["ok"]
    await laptop.received([f"{alice}/1"])


async def test_a_publisher_with_receipts_learns_what_the_client_answered(
    office: Office, device: Device, alice: str
) -> None:
    phone = device("phone", alice)
    await phone.mode(Mode.VALUE, value={"read": True})
    await phone.connect(office.gateway.url, token(alice))
    await phone.online()

    said = await office.restante("publisher-with-receipts", "publish", alice, '"call me"', "--receipt", "--json")

    assert (said.code, [(line["outcome"], line["value"]) for line in said.lines]) == (
        0,
        [("confirmed", {"read": True})],
    )


async def test_a_dead_letter_is_seen_by_the_operator_and_requeued_by_the_maintainer(
    office: Office, publisher: Publisher, device: Device, alice: str
) -> None:
    phone = device("phone", alice)
    await phone.mode(Mode.REFUSE, reason="no room")
    await phone.connect(office.gateway.url, token(alice))
    await publisher.publish(alice, "hello", id="m1")
    await phone.received(["m1"])

    letters = await _letters(office, alice)
    await phone.mode(Mode.CONFIRM)
    denied = await office.restante("operator", "dead-letters", "requeue", "--user", alice)
    requeued = await office.restante("maintainer", "dead-letters", "requeue", "--user", alice)

    assert [(letter["id"], letter["reason"], letter["detail"]) for letter in letters] == [("m1", "refused", "no room")]
    assert denied.code != 0
    assert "does not allow it" in denied.err
    assert requeued.code == 0
    await phone.times("m1", 2)


async def _letters(office: Office, user: str) -> list[dict[str, object]]:
    deadline = asyncio.get_running_loop().time() + 15
    while not (found := await office.restante("operator", "dead-letters", "list", "--user", user, "--json")).lines:
        assert asyncio.get_running_loop().time() < deadline, found
    return found.lines


async def test_the_operator_looks_and_the_maintainer_disconnects_and_forgets(
    office: Office, publisher: Publisher, device: Device, alice: str
) -> None:
    phone = device("phone", alice)
    await phone.connect(office.gateway.url, token(alice))
    await phone.online()
    await publisher.publish(alice, "hello", id="m1")
    await phone.received(["m1"])

    [found] = (await office.restante("operator", "inspect", alice, "--json")).lines
    listed = await office.restante("operator", "queues", "--json")
    denied = await office.restante("operator", "forget", alice, "--yes", "--force")
    away = await office.restante("maintainer", "disconnect", alice)
    await until(lambda: not phone.connected, "end of the session")
    forgotten = await office.restante("maintainer", "forget", alice, "--yes")

    assert (found["consumers"], found["dispatchers"], found["management"]) == (1, 2, None)
    assert listed.code == 0, listed.err
    assert denied.code != 0
    assert "does not allow it" in denied.err
    assert (away.code, forgotten.code) == (0, 0), (away, forgotten)


async def test_another_dispatcher_takes_over_from_one_that_is_killed(
    office: Office, publisher: Publisher, device: Device, alice: str, history: History
) -> None:
    phone = device("phone", alice)
    await phone.connect(office.gateway.url, token(alice))
    await phone.online()
    await publisher.publish(alice, 1, id="m1")
    await phone.received(["m1"])

    (await _owner(office, alice)).kill()
    await publisher.publish(alice, 2, id="m2")

    await phone.received(["m1", "m2"])
    assert judge(history).clean


async def _owner(office: Office, user: str) -> Service:
    """The dispatcher that consumes the user's queue, as soon as the management API tells."""
    deadline = asyncio.get_running_loop().time() + 30
    while True:
        [found] = (await office.restante("operator", "inspect", user, "--json")).lines
        if (consumer := found["dispatcher"]) is not None:
            [owner] = [d for d in office.dispatchers if consumer["name"].split()[1] in d.log.read_text()]
            return owner
        assert asyncio.get_running_loop().time() < deadline, found
        await asyncio.sleep(0.1)


async def test_a_dispatcher_that_joins_gets_its_share(office: Office) -> None:
    joined = office.dispatcher()
    await joined.ready()

    deadline = asyncio.get_running_loop().time() + 60
    while (owned := await joined.metric("restante_partitions_owned")) < 21:  # of 64, with two or three of them
        assert asyncio.get_running_loop().time() < deadline, f"{owned} partitions"
        await asyncio.sleep(0.1)
