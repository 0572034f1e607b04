"""The gateway's link to the broker: one connection at a time, each with a fresh inbox, never a repaired one.

When anything of it is lost all of it is dropped, and the core hears so; after a pause that grows the next one
is made, and the core announces every session anew.
"""

import asyncio
import secrets
import time
from datetime import UTC, datetime

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity
from pamqp.commands import Basic

from gateway.core.sessions import Sessions
from gateway.inbox import Inbox
from gateway.metrics import Metrics
from gateway.outbox import Outbox
from gateway.send import NotHeld, Outgoing, TooMuch
from gateway.settings import GatewaySettings
from gateway.turns import Turns
from shared import log, sieve
from shared.alarm import Alarm
from shared.broker import (
    Backoff,
    BrokerAway,
    cancellations,
    close,
    connect,
    heartbeat_seconds,
    heeding,
    lost,
    sieve_of,
    silent_seconds,
    wire,
)
from shared.ceiling import Ceiling
from shared.names import DISPATCHERS_EXCHANGE, MESSAGES, SESSIONS_EXCHANGE, gateway_inbox
from shared.numbered import Speaker
from shared.publish import Blocked, ConfirmedPublisher, PublishFailed, TooLarge
from shared.sidedoor import SideDoor
from shared.wire import Batch, Lease, Outcome

SETUP_SECONDS = 10.0
SEND_SECONDS = 5.0
LOOK_SECONDS = 0.5
PROVEN_SECONDS = 5.0
"""A connection that held for so long is a success: the pauses start small again."""

PERSISTENT = 2

_FAILURES = (AMQPError, ConnectionError, TimeoutError, RuntimeError)  # aiormq has RuntimeErrors for closed channels
_log = log.get(__name__)


class Link:
    """The broker half of the core's port, and the source of its facts about dispatchers."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics, sessions: Sessions) -> None:
        self._settings = settings
        self._metrics = metrics
        self._sessions = sessions
        self._outbox: Outbox | None = None  # None while the link is down
        self._sends: ConfirmedPublisher | None = None
        self._ceiling = Ceiling()
        self._turns = Turns()
        self._alarm = Alarm()  # that of the connection
        self._side_door = SideDoor(settings, "restante gateway, during an alarm")
        self._down_since = time.monotonic()
        self.why_down = "connecting to the broker"

    @property
    def up(self) -> bool:
        return self._outbox is not None

    @property
    def blocked(self) -> bool:
        """The broker has an alarm. That does not end the link: what it carries goes on by the side door."""
        return self._alarm.on

    def down_seconds(self, now: float) -> float:
        """How long it has been down; 0 while it is up."""
        return 0.0 if self.up else now - self._down_since

    # The core's port.

    def announce(self, lease: Lease) -> None:
        if self._outbox is not None:
            self._outbox.announce(lease)

    def report(self, reply: str, outcome: Outcome) -> None:
        if self._outbox is not None:
            self._outbox.report(reply, outcome)

    # What the service asks for.

    async def publish(self, outgoing: Outgoing) -> None:
        """Returns once the broker holds the message. Raises `NotHeld`, `TooMuch`."""
        async with self._turns.of(outgoing):
            await self._publish(outgoing)

    async def _publish(self, outgoing: Outgoing) -> None:
        if not self._ceiling.takes(outgoing.data):
            raise TooMuch(self._ceiling.exceeded(outgoing.data))
        if self._sends is None:
            raise NotHeld("the broker is away")
        properties = Basic.Properties(
            message_id=outgoing.id,
            content_type="application/json",
            message_type=outgoing.type or None,
            timestamp=datetime.now(UTC),
            expiration=None if outgoing.ttl_ms is None else str(outgoing.ttl_ms),
            headers={"from": outgoing.sender},
            delivery_mode=PERSISTENT,
        )
        try:
            # Mandatory: an exchange confirms what it has no queue for, and `unrouted` may be missing.
            await self._sends.publish(
                outgoing.data, properties, exchange=MESSAGES, routing_key=outgoing.to, mandatory=True, patient=False
            )
        except Blocked as err:
            raise NotHeld("the broker takes no messages at the moment: it is short of memory or disk") from err
        except (PublishFailed, BrokerAway) as err:
            if isinstance(err, TooLarge):  # this one, or another that was under way with it
                self._ceiling.learn(err)
                if not self._ceiling.takes(outgoing.data):
                    raise TooMuch(self._ceiling.exceeded(outgoing.data)) from err
            raise NotHeld("the broker did not confirm the message") from err

    async def flush(self, timeout_seconds: float) -> None:
        """Waits until the broker has what was announced and reported so far, for a bounded time."""
        if self._outbox is not None:
            flushing = asyncio.ensure_future(self._outbox.flushed())
            await asyncio.wait({flushing}, timeout=timeout_seconds)
            flushing.cancel()

    async def run(self) -> None:
        """For ever: one connection after the other."""
        backoff = Backoff()
        while True:
            began = time.monotonic()
            try:
                await self._hold_one()
            except* BrokerAway as group:
                why = _first(group)
                if why != self.why_down:
                    _log.warning("no broker link, clients wait", reason=why)
                self.why_down = why
            if time.monotonic() - began > PROVEN_SECONDS:
                backoff.reset()
            await backoff.wait()

    async def _hold_one(self) -> None:
        """One connection, from its making to its loss, which is raised as `BrokerAway`."""
        connection = await connect(self._settings, "restante gateway", sifted=sieve.LANE.taken)
        try:
            gone = lost(connection)
            alarm = self._watched(connection)
            inbox = Inbox(gateway_inbox(secrets.token_hex(8)), self._metrics, self._told)
            channels = wire(connection)
            before = cancellations()
            try:
                with heeding():
                    async with asyncio.timeout(SETUP_SECONDS):
                        incoming = await channels.channel(publisher_confirms=False)
                        await inbox.declare(incoming)
                        leases = await channels.channel(publisher_confirms=True, on_return_raises=True)
                        outcomes = await channels.channel(publisher_confirms=True, on_return_raises=True)
                        sends = await channels.channel(publisher_confirms=True, on_return_raises=True)
                        _consume_ends(incoming, gone)
                        for channel in (incoming, leases, outcomes, sends):
                            _channel_ends(channel, gone)
                        await inbox.consume(incoming, sieve_of(connection))
            except ChannelNotFoundEntity as err:
                raise BrokerAway("waiting for a dispatcher to declare the exchanges") from err
            except _FAILURES as err:
                raise BrokerAway(f"cannot set the link up: {str(err) or type(err).__name__}") from err
            except asyncio.CancelledError as err:
                if cancellations() > before:
                    raise
                # aiormq's way to say that the connection went away meanwhile. Passed on, it would end `run` unseen.
                raise BrokerAway("the connection was closed while the link was set up") from err
            outbox = Outbox(
                self._speaker(inbox.name, leases, alarm, exchange=SESSIONS_EXCHANGE, mandatory=True),
                self._speaker(inbox.name, outcomes, alarm, exchange=DISPATCHERS_EXCHANGE, mandatory=False),
                alarm,
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_watch(connection, gone), name="watch the link")
                tasks.create_task(inbox.run(), name="read the inbox")
                tasks.create_task(outbox.run_leases(), name="publish leases")
                tasks.create_task(outbox.run_outcomes(), name="publish outcomes")
                self._begin(outbox, ConfirmedPublisher(sends, timeout_seconds=SEND_SECONDS, alarm=alarm), inbox.name)
        finally:
            self._end()
            await close(connection)

    def _watched(self, connection: AbstractConnection) -> Alarm:
        alarm = self._alarm = Alarm(connection)

        def say() -> None:
            if alarm.on:
                _log.warning(
                    "the broker has an alarm and takes no messages; deliveries and confirmations go on more slowly, "
                    "what clients send is answered `unavailable`",
                    reason=alarm.reason,
                )
            else:
                _log.info("the broker's alarm is over")

        alarm.listen(say)
        return alarm

    def _speaker(
        self, inbox: str, channel: AbstractChannel, alarm: Alarm, *, exchange: str, mandatory: bool
    ) -> Speaker:
        return Speaker(
            inbox,
            exchange=exchange,
            mandatory=mandatory,
            publisher=ConfirmedPublisher(channel, alarm=alarm),
            alarm=alarm,
            side_door=self._side_door,
        )

    def _begin(self, outbox: Outbox, sends: ConfirmedPublisher, inbox: str) -> None:
        self._outbox, self._sends, self.why_down = outbox, sends, ""
        _log.info("broker link up", inbox=inbox, sessions=len(self._sessions))
        self._sessions.link_up(inbox, time.monotonic())

    def _end(self) -> None:
        if self._outbox is not None:
            self._outbox = self._sends = None
            self._down_since = time.monotonic()
            self._metrics.link_losses.inc()
            self._sessions.link_down(self._down_since)

    def _told(self, batch: Batch) -> None:
        self._sessions.batch(batch, time.monotonic())


def _first(error: BaseException) -> str:
    """The first reason among several things that failed because of one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def _channel_ends(channel: AbstractChannel, gone: asyncio.Future[str]) -> None:
    """Whatever channel the broker closes, the link is lost."""

    def note(closing: asyncio.Future[object]) -> None:
        if not gone.done():
            reason = None if closing.cancelled() else closing.exception()
            gone.set_result(f"channel closed: {reason}" if reason else "channel closed")

    channel.closing.add_done_callback(note)


def _consume_ends(channel: AbstractChannel, gone: asyncio.Future[str]) -> None:
    """The inbox was deleted: the broker only cancels its consumer."""

    def note(_frame: Basic.Cancel) -> None:
        if not gone.done():
            gone.set_result("the inbox was deleted")

    channel.on_consumer_cancel_callbacks.add(note)


async def _watch(connection: AbstractConnection, gone: asyncio.Future[str]) -> None:
    """Raises `BrokerAway` when the link is lost, silent, or this process stood still for a heartbeat."""
    heartbeat = heartbeat_seconds(connection)
    looked = time.monotonic()
    while True:
        await asyncio.wait({gone}, timeout=LOOK_SECONDS)
        stood_still, looked = time.monotonic() - looked, time.monotonic()
        if gone.done():
            raise BrokerAway(gone.result())
        if heartbeat and stood_still > heartbeat:
            raise BrokerAway(f"this process stood still for {stood_still:.0f} s")
        if heartbeat and stood_still < 2 * LOOK_SECONDS and silent_seconds(connection) > heartbeat:
            raise BrokerAway(f"the broker was silent for {silent_seconds(connection):.0f} s")
