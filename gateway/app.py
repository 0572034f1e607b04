"""The gateway put together: the one place that reads settings and names concrete classes."""

import asyncio
import os
import signal
import time

from gateway.core.sessions import Sessions
from gateway.drain import send_away
from gateway.engine import MOST_STRANGERS
from gateway.keys import KeysAway
from gateway.link import Link
from gateway.metrics import Metrics
from gateway.public import PublicApp
from gateway.settings import Demo, GatewaySettings
from gateway.sockets import Sockets
from gateway.tokens import Verifier
from shared import log
from shared.broker import Backoff
from shared.files import raise_limit
from shared.http import HealthApp, serve
from shared.sparing import Sparing
from shared.wire import Lease, Outcome, OutcomeKind

TICK_SECONDS = 0.25
CUT_PER_TICK = 200
"""How many connections are closed at once when the broker stays away, so that they do not return as one."""

OWN_FILES = 200
"""For the broker's connections, programs that watch us, keys and logs: so many stay free of clients."""

GONE_SECONDS = 2.0
FLUSH_SECONDS = 3.0

_log = log.get(__name__)


class _Port:
    """The core's port: clients on one side, the broker on the other."""

    sockets: Sockets
    link: Link

    def __init__(self) -> None:
        self._sparing = Sparing()

    def emit(self, session: str, message: str, event: bytes, attachment: bytes | None) -> None:
        self.sockets.emit(session, message, event, attachment)

    def cut(self, session: str, why: str) -> None:
        self.sockets.cut(session, why)

    def replace(self, session: str) -> None:
        self.sockets.replace(session)

    def evict(self, session: str) -> None:
        self.sockets.evict(session)

    def announce(self, lease: Lease) -> None:
        self.link.announce(lease)

    def report(self, reply: str, outcome: Outcome) -> None:
        if outcome.kind is OutcomeKind.UNCONFIRMED and (left_out := self._sparing.take(outcome.kind)) is not None:
            _log.info(
                "a client does not confirm; its connection is closed, its messages stay in their queue",
                user=outcome.user,
                session=outcome.session,
                message=outcome.message,
                left_out=left_out,
            )
        self.link.report(reply, outcome)


class Gateway:
    """One gateway. Made inside the task group that owns its tasks."""

    def __init__(self, settings: GatewaySettings, verifier: Verifier, tasks: asyncio.TaskGroup) -> None:
        port = _Port()
        self.settings = settings
        self.metrics = Metrics()
        self.sessions = Sessions(
            port,
            confirm_timeout=settings.gateway_confirm_timeout_seconds,
            limit=settings.gateway_max_sessions_per_user,
            ledger=self.metrics.ledger,
        )
        self.metrics.waiting, self.metrics.unanswered = self.sessions.waiting, self.sessions.out
        self.link = port.link = Link(settings, self.metrics, self.sessions)
        self.sockets = port.sockets = Sockets(
            settings,
            verifier,
            self.metrics,
            tasks,
            sessions=self.sessions,
            serving=lambda: self.link.up and not self.draining,
            publish=self.link.publish,
        )
        self.draining = False
        self._verifier = verifier
        health = HealthApp(self.ready, self.metrics.registry, self.why_not_ready)
        self.admin = health
        self.public = PublicApp(settings, self.sockets.engine.app, health)
        self.metrics.watch("sessions", "Sessions of clients", lambda: len(self.sessions))
        self.metrics.watch("connections", "Connections, with or without a session", lambda: len(self.sockets.engine))
        self.metrics.watch("in_flight", "Messages that clients have not answered yet", self.sessions.in_flight)
        loop = asyncio.get_running_loop()
        self.metrics.watch("tasks", "Tasks of the event loop", lambda: len(asyncio.all_tasks(loop)))
        self.metrics.watch("broker_connected", "1 while the broker link is up", lambda: self.link.up)
        self.metrics.watch(
            "broker_blocked", "1 while the broker has an alarm (memory, disk)", lambda: self.link.blocked
        )
        self.metrics.watch("draining", "1 while the gateway drains", lambda: self.draining)

    def ready(self) -> bool:
        return not self.why_not_ready()

    def why_not_ready(self) -> str:
        """In a few words; empty when it is ready. An alarm of the broker is no reason: deliveries go on, and every
        other gateway has it too, so that clients would have nowhere to go.
        """
        if self.draining:
            return "draining"
        if not self.link.up:
            return self.link.why_down
        return "" if self._verifier.ready else "the JWKS cannot be read yet"

    async def tick(self) -> None:
        """For ever: deadlines of the core and of connections."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            self.sessions.tick(now)
            self.sockets.tick(now)
            if self.link.down_seconds(now) > self.settings.gateway_confirm_timeout_seconds:
                # Elsewhere may be a gateway that has a broker.
                self.sockets.cut_some(CUT_PER_TICK, "broker away")

    async def load_keys(self) -> None:
        """Until the keys could be read once; from then on they are read when a token needs it."""
        backoff = Backoff(first_seconds=1.0, most_seconds=30.0)
        while not self._verifier.ready:
            try:
                await self._verifier.load()
            except KeysAway:  # said in the log where it happened
                await backoff.wait()

    async def drain(self) -> None:
        """No new sessions; those that are here move elsewhere, a few at a time; what they said goes out."""
        self.draining = True
        engine = self.sockets.engine
        there = engine.open_connections()
        seconds = self.settings.gateway_drain_seconds
        _log.info("draining", connections=len(there), seconds=seconds)
        await send_away(self.sockets, there, seconds)
        until = time.monotonic() + GONE_SECONDS
        while any(map(engine.is_here, there)) and time.monotonic() < until:  # noqa: ASYNC110 -- engine.io has no event
            await asyncio.sleep(0.05)
        await self.link.flush(FLUSH_SECONDS)


async def run(settings: GatewaySettings) -> None:
    """Serves until SIGTERM or SIGINT, then drains. A second signal ends the process at once.

    Raises `CannotListen`, and `KeysAway` when the JWKS file holds no usable key.
    """
    stop = _signalled()
    most = raise_limit()
    connections = max(most - OWN_FILES, most // 2)
    verifier = Verifier(settings)
    if settings.gateway_jwks_file is not None:
        await verifier.load()
    if settings.gateway_demo is not Demo.OFF:
        _log.warning("demo: anyone who reaches this gateway can be anyone", listen=str(settings.gateway_listen))
    async with asyncio.TaskGroup() as tasks:
        gateway = Gateway(settings, verifier, tasks)
        # Room for those who log in, however many do not.
        gateway.sockets.engine.most_strangers = min(MOST_STRANGERS, connections // 2)
        async with (
            serve(gateway.admin, settings.gateway_admin_listen),
            serve(
                gateway.public,
                settings.gateway_listen,
                frame_bytes=settings.frame_bytes,
                connections=connections,
                doorstep=gateway.sockets.lobby.doorstep,
            ) as port,
        ):
            loops = [
                tasks.create_task(gateway.link.run(), name="broker link"),
                tasks.create_task(gateway.tick(), name="tick"),
                tasks.create_task(gateway.sockets.run(), name="outbox"),
                tasks.create_task(gateway.load_keys(), name="load keys"),
            ]
            _log.info("listening", public=str(settings.gateway_listen), port=port, most_connections=connections)
            await stop.wait()
            await gateway.drain()
        # The HTTP servers have closed what was left, while the link could still tell the broker.
        await gateway.link.flush(FLUSH_SECONDS)
        for task in loops:
            task.cancel()
        await gateway.sockets.engine.stop()
    _log.info("stopped")


def _signalled() -> asyncio.Event:
    stop = asyncio.Event()

    def caught(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, caught, number)
    return stop
