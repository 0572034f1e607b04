"""What each account of `deploy/rabbitmq` may do: what is written down here and nothing else, as the broker sees it."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from urllib.parse import quote, urlsplit

import pytest
from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed
from pamqp.commands import Basic
from pydantic import SecretStr

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from deploy.rabbitmq.accounts import ACCOUNTS
from shared import topology
from shared.broker import BrokerAway, close, connect
from shared.cli.link import Depth, Link
from shared.cli.surroundings import CommandSettings
from shared.settings import QueueType
from tests.support.accounts import Accounts, accounts
from tests.support.acts import EXCHANGES, QUEUES, consume, everything, logged_in, refused


@dataclass(frozen=True, slots=True)
class Rights:
    """`bind`: any of these queues to any of these exchanges."""

    publish: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()
    configure: frozenset[str] = frozenset()
    bind: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())

    def acts(self) -> set[tuple[str, ...]]:
        return {
            *(("publish", exchange) for exchange in self.publish),
            *(("consume", queue) for queue in self.read),
            *(("empty", queue) for queue in self.read),
            *(("declare or delete", name) for name in self.configure),
            *(("bind", queue, exchange) for queue, exchange in product(*self.bind)),
        }


def some(*names: str) -> frozenset[str]:
    return frozenset(names)


MAY = {
    "publisher": Rights(publish=some("messages")),
    "publisher-with-receipts": Rights(
        publish=some("messages"),
        read=some("receipts.billing"),
        configure=some("receipts.billing", "receipts.shop"),
        bind=(some("receipts.billing"), some("receipts")),
    ),
    "gateway": Rights(
        publish=some("messages", "sessions", "dispatchers"),
        read=some("gateway.00ff"),
        configure=some("gateway.00ff", "gateway.0a"),
        bind=(some("gateway.00ff"), some("gateways")),
    ),
    "dispatcher": Rights(
        publish=some("", "messages.unrouted", "dead-letters", "receipts", "sessions", "gateways"),
        read=some("user.alice", "unrouted", "dead-letters", "dispatcher.census", "sessions.7", "dispatcher.00ff"),
        configure=frozenset(EXCHANGES)
        | some("user.alice", "unrouted", "dispatcher.census", "sessions.7", "dispatcher.00ff")
        | some("user.bob", "sessions.8", "dispatcher.0a"),
        bind=(
            some("user.alice", "unrouted", "dead-letters", "sessions.7", "dispatcher.00ff"),
            some("messages", "messages.unrouted", "dead-letters", "sessions", "dispatchers"),
        ),
    ),
    "operator": Rights(read=some("dead-letters")),
    "maintainer": Rights(
        publish=some("messages", "sessions"), read=some("dead-letters"), configure=some("user.alice", "user.bob")
    ),
}


@pytest.fixture
def known(broker: Broker) -> Iterator[Accounts]:
    with accounts(broker) as made:
        yield made


@pytest.fixture
async def office(known: Accounts) -> Accounts:
    """With all that services and others have made in it, and a message for alice."""
    async with logged_in(known.url("dispatcher")) as dispatcher:
        channel = await dispatcher.channel()
        await topology.declare_all(channel, QueueType.CLASSIC)
        await topology.declare_user(channel, "alice", QueueType.CLASSIC)
        await topology.bind_user(channel, "alice")
    async with logged_in(known.root_url) as root:
        channel = await root.channel(publisher_confirms=True)
        await channel.exchange_declare("of-somebody-else", durable=True)
        for queue in QUEUES:
            if queue.startswith(("gateway.", "dispatcher.0", "receipts.", "of-")):
                await channel.queue_declare(queue, durable=True)
        await channel.basic_publish(b"{}", exchange="messages", routing_key="alice", mandatory=True)
    return known


async def waiting(known: Accounts, queue: str) -> int | None:
    async with logged_in(known.root_url) as root:
        return (await (await root.channel()).queue_declare(queue, passive=True)).message_count


@pytest.mark.parametrize("account", [account.name for account in ACCOUNTS])
async def test_an_account_may_do_what_is_its_own_and_the_broker_refuses_all_else(
    account: str, office: Accounts
) -> None:
    async with logged_in(office.url(account)) as connection:
        done = {name for name, act in everything().items() if not await refused(connection, act)}

    assert done == MAY[account].acts()


@pytest.mark.parametrize("account", [account.name for account in ACCOUNTS])
async def test_an_account_has_no_access_to_another_virtual_host(account: str, known: Accounts) -> None:
    elsewhere = known.url(account).rpartition("/")[0] + "/%2F"

    with pytest.raises(BrokerAway, match="refused the virtual host"):
        async with logged_in(elsewhere):
            pass


@pytest.mark.parametrize("account", ["gateway", "publisher"])
async def test_a_leaked_password_takes_no_message_out_of_a_users_queue(account: str, office: Accounts) -> None:
    async with logged_in(office.url(account)) as thief:
        assert await refused(thief, consume("user.alice"))
        assert await refused(thief, lambda channel: channel.basic_get("user.alice"))
        assert await refused(thief, lambda channel: channel.queue_bind("gateway.00ff", "messages", "alice"))
        assert await refused(thief, lambda channel: channel.queue_unbind("user.alice", "messages", "alice"))
        assert await refused(thief, lambda channel: channel.exchange_bind("gateways", "messages", "alice"))

    assert await waiting(office, "user.alice") == 1


async def test_a_publisher_cannot_say_that_it_is_somebody_else(office: Accounts) -> None:
    somebody_else = Basic.Properties(user_id="gateway")

    async with logged_in(office.url("publisher")) as publisher:
        channel = await publisher.channel(publisher_confirms=True)
        with pytest.raises(ChannelPreconditionFailed, match="user_id"):
            await channel.basic_publish(b"{}", exchange="messages", routing_key="alice", properties=somebody_else)


def test_the_operator_sees_how_full_queues_are_and_can_neither_read_nor_write_nor_change(
    office: Accounts,
) -> None:
    pages = Management(office.management_url("operator"))
    host = quote(urlsplit(office.root_url).path[1:], safe="")
    alice = f"/api/queues/{host}/user.alice"

    assert pages.request("GET", alice)["name"] == "user.alice"
    assert "listeners" in pages.request("GET", "/api/overview")
    for method, path, body in (
        ("POST", f"{alice}/get", {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}),
        ("POST", f"/api/exchanges/{host}/messages/publish", _PUBLISHED),
        ("DELETE", f"{alice}/contents", None),
        ("DELETE", alice, None),
        ("PUT", f"/api/policies/{host}/retention", {"pattern": ".*", "definition": {"max-length": 1}}),
        ("PUT", f"/api/permissions/{host}/operator", {"configure": ".*", "write": ".*", "read": ".*"}),
        ("GET", "/api/definitions", None),
    ):
        with pytest.raises(OSError, match=r": 40[013] |ACCESS_REFUSED"):
            pages.request(method, path, body)


_PUBLISHED = {"properties": {}, "routing_key": "alice", "payload": "{}", "payload_encoding": "string"}


@pytest.mark.parametrize("account", ["publisher", "publisher-with-receipts", "gateway", "dispatcher"])
def test_an_account_of_a_program_cannot_log_in_to_the_management_pages(account: str, known: Accounts) -> None:
    pages = Management(known.management_url(account))

    with pytest.raises(OSError, match=r": 40[13] "):
        pages.request("GET", "/api/overview")


@pytest.mark.parametrize("queue_type", list(QueueType))
async def test_what_the_definitions_declare_is_what_the_dispatcher_declares(
    broker: Broker, queue_type: QueueType
) -> None:
    with accounts(broker, queue_type) as known:
        async with logged_in(known.url("dispatcher")) as dispatcher:
            channel = await dispatcher.channel()

            await topology.declare_all(channel, queue_type)  # raises where something exists with other arguments


async def test_a_message_published_before_any_dispatcher_ever_ran_waits(known: Accounts) -> None:
    async with logged_in(known.url("publisher")) as publisher:
        channel = await publisher.channel(publisher_confirms=True, on_return_raises=True)

        await channel.basic_publish(b"{}", exchange="messages", routing_key="alice", mandatory=True)

    assert await waiting(known, "unrouted") == 1


def test_loading_the_definitions_again_changes_no_queue_and_no_message(office: Accounts) -> None:
    root = Management(office.management)
    host = quote(urlsplit(office.root_url).path[1:], safe="")
    before = root.request("GET", f"/api/definitions/{host}")

    root.request("POST", f"/api/definitions/{host}", before)

    assert root.request("GET", f"/api/definitions/{host}") == before


def test_retention_limits_the_queues_of_users_and_nothing_else(office: Accounts) -> None:
    root = Management(office.management)
    host = quote(urlsplit(office.root_url).path[1:], safe="")

    [policy] = root.request("GET", f"/api/policies/{host}")

    assert policy["pattern"] == r"^user\."
    assert policy["definition"]["overflow"] == "reject-publish"
    assert not {"expires", "delivery-limit"} & policy["definition"].keys()


class Strict(Link):
    """As RabbitMQ 4.2.6 answers: that a queue is there it tells only those who have a right on it."""

    async def channel(self) -> AbstractChannel:
        channel = await super().channel()

        async def refuse(*_: object, **__: object) -> object:
            await channel.close()
            raise ChannelAccessRefused("ACCESS_REFUSED - configure access to queue refused")

        vars(channel)["queue_declare"] = refuse
        return channel


async def test_who_may_only_look_learns_from_the_management_api_what_the_broker_does_not_tell_them(
    office: Accounts,
) -> None:
    settings = CommandSettings(
        broker_url=office.url("operator"),  # type: ignore[arg-type]  # as typed
        rabbitmq_management_url=SecretStr(office.management_url("operator")),
    )
    connection = await connect(settings, "test")
    link = Strict(connection, settings)

    try:
        assert await link.depth("user.bob") is None
        deadline = asyncio.get_running_loop().time() + 30
        while await link.depth("user.alice") != Depth(ready=1, consumers=0):  # it counts every few seconds
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.2)
    finally:
        await close(connection)
