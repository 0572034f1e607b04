"""The gateway's broker link against a real broker, with a dispatcher of the test's own at the other end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiormq
import pytest
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from pamqp.commands import Basic
from pydantic import SecretStr

from gateway.core.sessions import Sessions
from gateway.link import Link
from gateway.metrics import Metrics
from gateway.send import NotHeld, Outgoing
from gateway.settings import GatewaySettings
from shared.names import (
    DISPATCHERS_EXCHANGE,
    GATEWAYS_EXCHANGE,
    SESSIONS_EXCHANGE,
    dispatcher_inbox,
    partition_of,
    sessions_queue,
)
from shared.settings import QueueType
from shared.topology import bind_user, declare_all, declare_user
from shared.wire import (
    UNBOUND,
    Batch,
    Forward,
    Lease,
    LeaseKind,
    Outcome,
    OutcomeKind,
    decode_lease,
    decode_outcomes,
    encode_batch,
)
from tests.support.balancer import Balancer
from tests.support.pipes import CHUNK_BYTES, Pipes, Stream
from tests.support.services import SECRET
from tests.support.until import until

USERS = [f"user{number}" for number in range(200)]
INBOX = dispatcher_inbox("test")


@dataclass(slots=True)
class Clients:
    """The sockets half of the core's port, whose clients confirm nothing by themselves."""

    emitted: list[tuple[str, str]] = field(default_factory=list)
    link: Link | None = None

    def emit(self, session: str, message: str, event: bytes, attachment: bytes | None) -> None:
        self.emitted.append((session, message))

    def cut(self, session: str, why: str) -> None:
        """Nobody is connected."""

    def replace(self, session: str) -> None:
        """Nobody is connected."""

    def evict(self, session: str) -> None:
        """Nobody is connected."""

    def announce(self, lease: Lease) -> None:
        assert self.link is not None
        self.link.announce(lease)

    def report(self, reply: str, outcome: Outcome) -> None:
        assert self.link is not None
        self.link.report(reply, outcome)


@dataclass(slots=True)
class Linked:
    link: Link
    sessions: Sessions
    clients: Clients
    metrics: Metrics

    def count(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"restante_{name}_total") or 0.0

    async def up(self) -> None:
        await until(lambda: self.link.up, lambda: f"the link: {self.link.why_down}", 20)


@asynccontextmanager
async def linked(url: str) -> AsyncIterator[Linked]:
    settings = GatewaySettings(broker_url=(SecretStr(url),), gateway_jwt_secret=SecretStr(SECRET))
    clients, metrics = Clients(), Metrics()
    sessions = Sessions(clients, confirm_timeout=30, limit=10)
    link = clients.link = Link(settings, metrics, sessions)
    running = asyncio.create_task(link.run())
    try:
        yield Linked(link, sessions, clients, metrics)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@dataclass(slots=True)
class Dispatcher:
    """Reads what gateways announce and report; says what the test wants."""

    connection: AbstractConnection
    channel: AbstractChannel
    leases: list[Lease] = field(default_factory=list)
    outcomes: list[list[Outcome]] = field(default_factory=list)

    async def listen(self) -> None:
        await self.channel.queue_declare(INBOX, exclusive=True)
        await self.channel.queue_bind(INBOX, DISPATCHERS_EXCHANGE, INBOX)
        await self.channel.basic_consume(INBOX, self._take_outcomes, no_ack=True)
        for partition in {partition_of(user) for user in USERS}:
            await self.channel.basic_consume(sessions_queue(partition), self._take_lease, no_ack=True)

    async def tell(self, inbox: str, body: bytes) -> None:
        await self.channel.basic_publish(body, exchange=GATEWAYS_EXCHANGE, routing_key=inbox, mandatory=True)

    async def _take_lease(self, message: DeliveredMessage) -> None:
        self.leases.append(decode_lease(message.body))

    async def _take_outcomes(self, message: DeliveredMessage) -> None:
        self.outcomes.append(decode_outcomes(message.body))

    def inbox(self) -> str:
        """Where the gateway wants to hear, as its latest lease says."""
        return self.leases[-1].inbox


@asynccontextmanager
async def dispatcher(url: str) -> AsyncIterator[Dispatcher]:
    connection = await aiormq.connect(url)
    try:
        channel = await connection.channel(on_return_raises=True)
        await declare_all(channel, QueueType.CLASSIC)
        there = Dispatcher(connection, channel)
        await there.listen()
        yield there
    finally:
        await connection.close()


def forward(message: str, user: str, *sessions: str) -> Forward:
    return Forward(user, message, sessions, b'{"id":"%b"}' % message.encode())


async def test_without_a_dispatcher_the_link_waits_and_says_for_what(broker_url: str) -> None:
    async with linked(broker_url) as gateway:
        await until(lambda: "waiting for a dispatcher" in gateway.link.why_down, lambda: gateway.link.why_down)
        assert not gateway.link.up

        async with dispatcher(broker_url):
            await gateway.up()


async def test_without_a_broker_the_link_waits_and_never_shows_the_password() -> None:
    async with linked("amqp://alice:hidden@127.0.0.1:1/") as gateway:
        await until(lambda: "127.0.0.1:1" in gateway.link.why_down, lambda: gateway.link.why_down)

        assert "hidden" not in gateway.link.why_down
        with pytest.raises(NotHeld):
            await gateway.link.publish(Outgoing("alice", "bob", "alice/1", "", b"1", None))


async def test_leases_arrive_in_the_order_of_each_partition(broker_url: str) -> None:
    async with dispatcher(broker_url) as there, linked(broker_url) as gateway:
        await gateway.up()
        now = time.monotonic()

        for user in USERS:
            gateway.sessions.open(f"s-{user}", user, (), now, 1.0)
        for user in USERS:
            gateway.sessions.close(f"s-{user}", now)
        await until(lambda: len(there.leases) == 2 * len(USERS), "all leases")

        for user in USERS:
            mine = [(lease.kind, lease.rev) for lease in there.leases if lease.user == user]
            assert mine == [(LeaseKind.OPEN, 1), (LeaseKind.CLOSED, 2)]


async def test_a_batch_reaches_the_core_and_outcomes_go_back_together(broker_url: str) -> None:
    async with dispatcher(broker_url) as there, linked(broker_url) as gateway:
        await gateway.up()
        gateway.sessions.open("s1", USERS[0], (), time.monotonic(), 1.0)
        await until(lambda: there.leases, "the lease")
        ids = [f"m{number}" for number in range(100)]

        batch = Batch(INBOX, 128, tuple(forward(message, USERS[0], "s1") for message in ids))
        await there.tell(there.inbox(), encode_batch(batch))
        await until(lambda: len(gateway.clients.emitted) == 100, "100 emitted")
        for message in ids:
            gateway.sessions.answered("s1", message, b'{"n":1}', "", time.monotonic())
        await until(lambda: sum(map(len, there.outcomes)) == 100, "100 outcomes")

        assert gateway.clients.emitted == [("s1", message) for message in ids]
        assert len(there.outcomes) == 1
        assert [outcome.message for outcome in there.outcomes[0]] == ids
        assert there.outcomes[0][0] == Outcome(USERS[0], "m0", "s1", OutcomeKind.CONFIRMED, b'{"n":1}')


async def test_what_cannot_be_read_is_counted_and_the_next_batch_is_read(broker_url: str) -> None:
    async with dispatcher(broker_url) as there, linked(broker_url) as gateway:
        await gateway.up()
        gateway.sessions.open("s1", USERS[0], (), time.monotonic(), 1.0)
        await until(lambda: there.leases, "the lease")

        await there.tell(there.inbox(), b"2\nfrom the future")
        await there.tell(there.inbox(), encode_batch(Batch(INBOX, 1, (forward("m1", USERS[0], "s1"),))))
        await until(lambda: gateway.clients.emitted, "the message")

        assert gateway.count("unreadable_batches") == 1
        assert gateway.link.up


async def test_a_lost_connection_is_replaced_and_every_session_announced_anew(broker_url: str) -> None:
    async with dispatcher(broker_url) as there, proxied(broker_url) as (url, proxy), linked(url) as gateway:
        await gateway.up()
        gateway.sessions.open("s1", USERS[0], (), time.monotonic(), 1.0)
        await until(lambda: there.leases, "the lease")
        first = there.inbox()

        await proxy.cut()
        await until(lambda: len(there.leases) == 2, "the second lease", 20)

        assert there.inbox() != first
        assert (there.leases[1].session, there.leases[1].rev) == ("s1", 2)
        assert gateway.count("broker_link_losses") == 1


async def test_a_message_to_an_inbox_of_a_lost_connection_comes_back_to_its_sender(broker_url: str) -> None:
    async with dispatcher(broker_url) as there, proxied(broker_url) as (url, proxy), linked(url) as gateway:
        await gateway.up()
        gateway.sessions.open("s1", USERS[0], (), time.monotonic(), 1.0)
        await until(lambda: there.leases, "the lease")
        first = there.inbox()

        await proxy.cut()
        await until(lambda: len(there.leases) == 2, "the second lease", 20)

        with pytest.raises(aiormq.exceptions.PublishError):
            await there.tell(first, b"anything")


async def test_a_channel_that_the_broker_closes_takes_the_whole_link_along(broker_url: str) -> None:
    async with dispatcher(broker_url) as there, linked(broker_url) as gateway:
        await gateway.up()
        gateway.sessions.open("s1", USERS[0], (), time.monotonic(), 1.0)
        await until(lambda: there.leases, "the lease")

        await there.channel.exchange_delete(DISPATCHERS_EXCHANGE)
        gateway.link.report(INBOX, Outcome(USERS[0], "m1", "s1", OutcomeKind.GONE))
        await until(lambda: gateway.count("broker_link_losses"), "the loss")
        await there.channel.exchange_declare(DISPATCHERS_EXCHANGE, durable=True)
        await until(lambda: len(there.leases) == 2, "the second lease", 20)

        assert there.leases[1].rev == 2


async def test_a_gateway_that_is_told_that_its_inbox_is_unbound_comes_back_with_a_fresh_one(broker_url: str) -> None:
    async with dispatcher(broker_url) as there, linked(broker_url) as gateway:
        await gateway.up()
        gateway.sessions.open("s1", USERS[0], (), time.monotonic(), 1.0)
        await until(lambda: there.leases, "the lease")
        first = there.inbox()

        properties = Basic.Properties(message_type=UNBOUND)
        await there.channel.basic_publish(encode_batch(Batch(INBOX, 1, ())), routing_key=first, properties=properties)
        await until(lambda: len(there.leases) == 2, "the second lease", 20)

        assert there.inbox() != first


async def test_a_lease_that_no_queue_takes_makes_the_gateway_wait(broker_url: str) -> None:
    partition = partition_of(USERS[0])
    async with dispatcher(broker_url) as there, linked(broker_url) as gateway:
        await gateway.up()
        await there.channel.queue_delete(sessions_queue(partition))

        gateway.sessions.open("s1", USERS[0], (), time.monotonic(), 1.0)
        await until(lambda: "queues of sessions" in gateway.link.why_down, lambda: gateway.link.why_down)
        await there.channel.queue_declare(sessions_queue(partition), durable=True)
        await there.channel.queue_bind(sessions_queue(partition), SESSIONS_EXCHANGE, sessions_queue(partition))

        await gateway.up()


async def test_a_broker_that_falls_silent_is_given_up(broker_url: str) -> None:
    parts = urlsplit(broker_url)
    async with dispatcher(broker_url), Muted(parts.port or 5672) as way:
        url = parts._replace(netloc=f"guest:guest@127.0.0.1:{way.port}", query="heartbeat=2").geturl()
        async with linked(url) as gateway:
            await gateway.up()

            way.speaks.clear()
            await until(lambda: "silent" in gateway.link.why_down, lambda: f"given up: {gateway.link.why_down}", 20)
            way.speaks.set()

            await gateway.up()


class Muted(Pipes):
    """A way to the broker on which its answers are held back while `speaks` is clear; nothing is closed."""

    def __init__(self, broker_port: int) -> None:
        super().__init__()
        self._broker_port = broker_port
        self.speaks = asyncio.Event()
        self.speaks.set()

    async def far(self, _: asyncio.StreamReader) -> Stream:
        return await asyncio.open_connection("127.0.0.1", self._broker_port)

    async def back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await self.speaks.wait()
                writer.write(chunk)


async def test_a_sent_message_is_in_its_users_queue_before_it_is_confirmed(broker_url: str) -> None:
    async with dispatcher(broker_url) as there, linked(broker_url) as gateway:
        await declare_user(there.channel, "bob", QueueType.CLASSIC)
        await bind_user(there.channel, "bob")
        await gateway.up()

        await gateway.link.publish(Outgoing("alice", "bob", "alice/1", "note", b'{"n":1.50}', 60_000))
        message = await there.channel.basic_get("user.bob", no_ack=True)

        properties = message.header.properties
        assert message.body == b'{"n":1.50}'
        assert (properties.message_id, properties.message_type) == ("alice/1", "note")
        assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
        assert (properties.expiration, properties.headers) == ("60000", {"from": "alice"})
        assert properties.timestamp is not None


async def test_a_message_to_somebody_without_a_queue_is_held_for_the_dispatcher(broker_url: str) -> None:
    async with dispatcher(broker_url) as there, linked(broker_url) as gateway:
        await gateway.up()

        await gateway.link.publish(Outgoing("alice", "bob", "alice/1", "", b"1", None))

        assert (await there.channel.basic_get("unrouted", no_ack=True)).body == b"1"


async def test_a_message_that_no_queue_can_hold_is_not_confirmed(broker_url: str) -> None:
    async with dispatcher(broker_url) as there, linked(broker_url) as gateway:
        await gateway.up()
        await there.channel.queue_delete("unrouted")

        with pytest.raises(NotHeld):
            await gateway.link.publish(Outgoing("alice", "bob", "alice/1", "", b"1", None))

        assert gateway.link.up


async def test_the_same_message_twice_at_once_is_confirmed_twice(broker_url: str) -> None:
    async with dispatcher(broker_url), linked(broker_url) as gateway:
        await gateway.up()
        outgoing = Outgoing("alice", "bob", "alice/1", "", b"1", None)

        await asyncio.gather(*(gateway.link.publish(outgoing) for _ in range(5)))


async def test_what_was_said_is_with_the_broker_after_a_flush(broker_url: str) -> None:
    async with dispatcher(broker_url) as there:
        async with linked(broker_url) as gateway:
            await gateway.up()
            for number, user in enumerate(USERS):
                gateway.sessions.open(f"s{number}", user, (), time.monotonic(), 1.0)
                gateway.link.report(INBOX, Outcome(user, "m1", f"s{number}", OutcomeKind.GONE))

            await gateway.link.flush(5)

        await until(lambda: len(there.leases) == len(USERS), "all leases")
        await until(lambda: sum(map(len, there.outcomes)) == len(USERS), "all outcomes")


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[str, Balancer]]:
    """The broker behind a proxy that a test can cut or hold."""
    parts = urlsplit(url)
    async with Balancer([parts.port or 5672]) as proxy:
        port = proxy.url.rpartition(":")[2]
        yield parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}").geturl(), proxy
