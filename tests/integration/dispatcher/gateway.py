"""A gateway without clients: announces sessions, keeps what it is told, reports what the test says."""

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage
from pamqp.commands import Basic

from shared.decoding import read_whatever_comes
from shared.moved import send_whatever_came
from shared.names import (
    DISPATCHERS_EXCHANGE,
    GATEWAYS_EXCHANGE,
    MESSAGES,
    SESSIONS_EXCHANGE,
    gateway_inbox,
    partition_of,
    sessions_queue,
)
from shared.wire import (
    Dropped,
    Forward,
    Lease,
    LeaseKind,
    Outcome,
    OutcomeKind,
    decode_batch,
    encode_lease,
    encode_outcomes,
)


@dataclass(slots=True)
class Gateway:
    """`batches` says how many entries each held, `types` its type; `forwards` are in the order in which they came."""

    connection: AbstractConnection
    channel: AbstractChannel
    inbox: str = field(default_factory=lambda: gateway_inbox(secrets.token_hex(8)))
    forwards: list[Forward] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    types: list[str | None] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    confirming: bool = True
    reply: str = ""

    @classmethod
    async def join(cls, url: str) -> "Gateway":
        read_whatever_comes()
        send_whatever_came()
        connection = await aiormq.connect(url)
        gateway = cls(connection, await connection.channel())
        await gateway.channel.queue_declare(gateway.inbox, exclusive=True)
        await gateway.channel.queue_bind(gateway.inbox, GATEWAYS_EXCHANGE, gateway.inbox)
        await gateway.channel.basic_consume(gateway.inbox, gateway._on_batch, no_ack=True)
        return gateway

    async def leave(self) -> None:
        await self.connection.close()

    async def open(self, user: str, session: str | None = None) -> str:
        session = session or f"session of {user}"
        await self._announce(Lease(kind=LeaseKind.OPEN, session=session, user=user, inbox=self.inbox, rev=1))
        return session

    async def close(self, user: str, session: str | None = None) -> None:
        await self._announce(Lease(kind=LeaseKind.CLOSED, session=session or f"session of {user}", user=user))

    async def report(self, kind: OutcomeKind, forwards: Iterable[Forward], *, detail: str = "") -> None:
        outcomes = [Outcome(f.user, f.message, s, kind, b'"read"', detail) for f in forwards for s in f.sessions]
        await self.channel.basic_publish(
            encode_outcomes(outcomes), exchange=DISPATCHERS_EXCHANGE, routing_key=self.reply
        )

    async def publish(self, user: str, body: bytes, *, exchange: str = MESSAGES, **properties: object) -> None:
        """As any publisher would: persistent, confirmed."""
        await self.channel.basic_publish(
            body,
            exchange=exchange,
            routing_key=user,
            properties=Basic.Properties(**{"delivery_mode": 2, **properties}),  # type: ignore[arg-type] # names of AMQP
        )

    def ids(self, user: str) -> list[str]:
        return [forward.message for forward in self.forwards if forward.user == user]

    async def ready(self, queue: str) -> int | None:
        """How many messages are ready; None: there is no such queue."""
        channel = await self.connection.channel()
        try:
            return (await channel.queue_declare(queue, passive=True)).message_count
        except aiormq.exceptions.ChannelNotFoundEntity:
            return None
        finally:
            await channel.close()

    async def take(self, queue: str) -> DeliveredMessage | None:
        """The first message of a queue that nobody consumes, for good."""
        message = await self.channel.basic_get(queue, no_ack=True)
        return message if isinstance(message.delivery, Basic.GetOk) else None

    async def _announce(self, lease: Lease) -> None:
        await self.channel.basic_publish(
            encode_lease(lease),
            exchange=SESSIONS_EXCHANGE,
            routing_key=sessions_queue(partition_of(lease.user)),
            properties=Basic.Properties(delivery_mode=2, timestamp=None, message_id=str(time.monotonic_ns())),
        )

    async def _on_batch(self, message: DeliveredMessage) -> None:
        batch = decode_batch(message.body)
        self.reply = batch.reply
        self.types.append(message.header.properties.message_type)
        self.batches.append(len(batch.entries))
        forwards = [entry for entry in batch.entries if isinstance(entry, Forward)]
        self.forwards.extend(forwards)
        self.dropped.extend(name for entry in batch.entries if isinstance(entry, Dropped) for name in entry.sessions)
        if self.confirming and forwards:
            await self.report(OutcomeKind.CONFIRMED, forwards)
