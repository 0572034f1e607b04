"""Which sessions a user has, and where: asked of the dispatcher that owns the user, as nobody else knows it.

The question is a `hello` to the user's partition; each session comes back to a queue of the command's own. A dispatcher
that takes over just now says nothing, and one of an older release never does: so it is asked again, and given up.
"""

import asyncio
import secrets
from dataclasses import dataclass, field

import aiormq
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from shared.broker import BrokerAway
from shared.cli.link import Link, explained
from shared.names import GATEWAYS_EXCHANGE, SESSIONS_EXCHANGE, gateway_inbox, partition_of, sessions_queue
from shared.publish import PublishFailed
from shared.wire import Lease, LeaseKind, Present, Unreadable, decode_batch, encode_lease

AGAIN_SECONDS = 1.0
ANSWER_SECONDS = 4.0

_TRANSIENT = 1


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """`gateway` is the one whose inbox it is; `opened_at` in seconds since 1970."""

    session: str
    gateway: str
    unconfirmed: int
    opened_at: float


@dataclass(slots=True)
class Presence:
    """`sessions` is None when nobody could tell; `unknown` says why. `window`: how many each may have unconfirmed."""

    sessions: list[SessionSeen] | None = None
    window: int | None = None
    unknown: str | None = None
    _seen: dict[str, SessionSeen] = field(default_factory=dict)

    def take(self, user: str, body: bytes) -> None:
        """One batch of the answer; what else may come is passed over."""
        try:
            batch = decode_batch(body)
        except Unreadable:
            return
        for entry in batch.entries:
            if not isinstance(entry, Present) or entry.user != user:
                continue
            self.window = batch.window
            for session in entry.sessions:
                gateway = entry.inbox.removeprefix(gateway_inbox(""))
                self._seen[session] = SessionSeen(session, gateway, entry.unconfirmed, entry.opened_at)
            if len(self._seen) >= entry.of:
                self.sessions = sorted(self._seen.values(), key=lambda seen: seen.opened_at)


async def presence(link: Link, user: str) -> Presence:
    """Asks until it is answered or `ANSWER_SECONDS` are over."""
    found = Presence()
    inbox = f"inspect.{secrets.token_hex(8)}"
    arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()

    async def keep(message: DeliveredMessage) -> None:
        arrived.put_nowait(message)

    try:
        channel = await link.channel()
        await channel.queue_declare(inbox, exclusive=True)
        await channel.queue_bind(inbox, GATEWAYS_EXCHANGE, inbox)
        await channel.basic_consume(inbox, keep, no_ack=True)
    except aiormq.exceptions.ChannelAccessRefused:
        found.unknown = "this account may not ask a dispatcher"
        return found
    asking = asyncio.create_task(_ask(link, user, inbox))
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            while found.sessions is None:
                found.take(user, (await link.next(arrived)).body)
    except TimeoutError:
        found.unknown = "the user's dispatcher does not answer (one of an older release does not know the question)"
    finally:
        asking.cancel()
        [failed] = await asyncio.gather(asking, return_exceptions=True)
    if found.unknown is not None and isinstance(failed, PublishFailed | BrokerAway):
        found.unknown = f"a dispatcher cannot be asked: {explained(failed)}"
    return found


async def _ask(link: Link, user: str, inbox: str) -> None:
    publisher = await link.publisher()
    question = encode_lease(Lease(kind=LeaseKind.HELLO, user=user, inbox=inbox))
    # Dropped by the broker when nobody reads it: an answer that nobody waits for is of no use.
    properties = Basic.Properties(delivery_mode=_TRANSIENT, expiration=str(int(ANSWER_SECONDS * 1000)))
    queue = sessions_queue(partition_of(user))
    while True:
        await publisher.publish(question, properties, exchange=SESSIONS_EXCHANGE, routing_key=queue, mandatory=True)
        await asyncio.sleep(AGAIN_SECONDS)
