"""Reads `unrouted` for the rules of first contact (`core/unrouted.py`), and puts its messages where they belong."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import cast

from aiormq import Channel
from aiormq.abc import AbstractConnection, DeliveredMessage
from pamqp.commands import Basic

from dispatcher.admin import Admin
from dispatcher.core.quota import Quota
from dispatcher.core.unrouted import Unrouted
from dispatcher.metrics import Metrics
from dispatcher.original import Original, read
from dispatcher.record import Recorder
from dispatcher.settle import Flusher, Settlements
from shared import log
from shared.broker import Refused, calling
from shared.ceiling import Ceiling
from shared.message import DeadLetter, Reason, Receipt, Verdict
from shared.moved import PERSISTENT, moved, own_message_id
from shared.names import UNROUTED, UNROUTED_EXCHANGE, user_queue
from shared.publish import ConfirmedPublisher, Nacked, PublishFailed, TooLarge, Unsendable
from shared.sparing import Sparing

PREFETCH = 200
REOPEN_SECONDS = 1.0
OVER_QUOTA_LOG_SECONDS = 60.0

OPENED = "opened"
"""The type of what a dispatcher itself puts on the exchange: a session has declared this user's queue."""

_log = log.get(__name__)


class Reader:
    """One channel on `unrouted`, and what is known of its messages. Answers that come too late are dropped."""

    def __init__(
        self,
        *,
        publisher: ConfirmedPublisher,
        admin: Admin,
        recorder: Recorder,
        ceiling: Ceiling,
        flusher: Flusher,
        metrics: Metrics,
        spawn: Callable[[Coroutine[None, None, None], str], None],
    ) -> None:
        self._publisher = publisher
        self._admin = admin
        self._recorder = recorder
        self._ceiling = ceiling
        self._metrics = metrics
        self._spawn = spawn
        self._settlements = Settlements(flusher)
        self._originals: dict[int, Original] = {}
        self._rules = Unrouted(self, Quota())
        self._sparing = Sparing()
        self._over_quota = 0
        self._over_quota_logged: float | None = None
        self._ended = asyncio.Event()
        self._channel: Channel | None = None

    def __len__(self) -> int:
        return len(self._rules)

    def tick(self, now: float) -> None:
        if not self._ended.is_set():
            self._rules.tick(now)

    async def run(self, connection: AbstractConnection) -> None:
        """Until the channel is lost. Raises `BrokerAway`; make a new reader after a moment."""
        try:
            with calling(f"reading {UNROUTED}"):
                channel = cast("Channel", await connection.channel(publisher_confirms=False))
                channel.closing.add_done_callback(lambda _: self._ended.set())
                channel.on_consumer_cancel_callbacks.add(lambda _: self._ended.set())
                self._settlements.attach(channel)
                await channel.basic_qos(prefetch_count=PREFETCH)
                await channel.basic_consume(UNROUTED, self._on_message, consumer_tag=UNROUTED)
                self._channel = channel
                await self._ended.wait()
                await channel.close()
        except Refused as err:
            _log.warning("cannot read messages for new users; tried again", reason=str(err))
        finally:
            self._ended.set()

    async def take_no_more(self) -> None:
        """What is held is still put where it belongs. Raises `BrokerAway`."""
        if self._channel is not None and not self._ended.is_set():
            with suppress(Refused), calling(f"reading {UNROUTED} no more"):
                await self._channel.basic_cancel(UNROUTED)

    # --- what the rules ask (`UnroutedPort`) ----------------------------------------------

    def declare(self, user: str) -> None:
        self._admin.declare(user, self._unless_ended(self._rules.declared))

    def bind(self, user: str) -> None:
        self._admin.bind(user, self._unless_ended(self._rules.bound))

    def move(self, user: str, tag: int) -> None:
        # The tasks reach the publisher in the order in which they are made.
        self._spawn(self._move(user, tag), "move")

    def bury(self, tag: int, user: str, letter: DeadLetter) -> None:
        if letter.reason is Reason.OVER_QUOTA:
            self._log_over_quota(read(self._originals[tag].properties).sender, letter.detail)
        self._spawn(self._bury(user, tag, letter), "bury")

    def ack(self, tag: int) -> None:
        del self._originals[tag]
        self._settlements.ack(tag)

    # --- how ------------------------------------------------------------------------------

    async def _on_message(self, message: DeliveredMessage) -> None:
        if self._ended.is_set():
            return
        tag = message.delivery_tag or 0
        # A publisher's message still names the exchange `messages` that it came by.
        if message.exchange == UNROUTED_EXCHANGE and message.header.properties.message_type == OPENED:
            self._settlements.ack(tag)
            self._rules.opened(message.routing_key or "", _now())
            return
        self._originals[tag] = Original.of(message)
        sender = read(message.header.properties).sender
        self._rules.arrived(message.routing_key or "", tag, _now(), sender)

    async def _move(self, user: str, tag: int) -> None:
        original = self._originals[tag]
        if not self._ceiling.takes(original.body):
            await self._bury(user, tag, DeadLetter(Reason.TOO_LARGE, self._ceiling.exceeded(original.body)))
            return
        properties = moved(original.properties, keep_expiration=True)
        try:
            try:
                await self._put(user, original.body, properties)
            except Unsendable as err:
                own_id = own_message_id(original.properties)
                _log.warning("message loses its properties", user=user, message=own_id, reason=str(err))
                await self._put(user, original.body, Basic.Properties(delivery_mode=PERSISTENT))
        except PublishFailed as err:
            if (left_out := self._sparing.take("move")) is not None:
                _log.warning(
                    "message cannot be put into its queue; tried again", user=user, reason=str(err), left_out=left_out
                )
            if not self._ended.is_set():
                (self._rules.refused if isinstance(err, Nacked) else self._rules.failed)(tag, _now())
        else:
            self._metrics.unrouted_moved.inc()
            self._safe(tag)

    async def _put(self, user: str, body: bytes, properties: Basic.Properties) -> None:
        try:
            await self._publisher.publish(body, properties, exchange="", routing_key=user_queue(user), mandatory=True)
        except TooLarge as err:
            self._ceiling.learn(err)
            raise

    async def _bury(self, user: str, tag: int, letter: DeadLetter) -> None:
        original = self._originals[tag]
        await self._recorder.bury(user, original, letter)
        if original.properties.reply_to:
            await self._recorder.tell_publisher(user, original, Receipt(Verdict.REJECTED, detail=letter.detail))
        self._safe(tag)

    def _log_over_quota(self, sender: str | None, detail: str) -> None:
        self._over_quota += 1
        if self._over_quota_logged is None or _now() - self._over_quota_logged >= OVER_QUOTA_LOG_SECONDS:
            self._over_quota_logged = _now()
            _log.warning(
                "messages of clients go to dead-letters: too many are for users who have no queue",
                messages=self._over_quota,
                sender=sender,
                reason=detail,
            )
            self._over_quota = 0

    def _safe(self, tag: int) -> None:
        if not self._ended.is_set():
            self._rules.moved(tag, _now())

    def _unless_ended(self, fact: Callable[[str, float], None]) -> Callable[[str], None]:
        def answer(user: str) -> None:
            if not self._ended.is_set():
                fact(user, _now())

        return answer


def _now() -> float:
    return asyncio.get_running_loop().time()
