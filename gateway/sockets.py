"""Socket.IO: who has logged in and what they say. Facts go to the core in the order in which they came.

The packets are read and written here (`packets.py`), straight on engine.io: the library above it runs
handlers for events that a client makes up, forgets callbacks and leaks what fails half-way.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway import engine, handshake, packets
from gateway.answers import Confirmed, Refused, read_answer
from gateway.core.sessions import Sessions
from gateway.metrics import Metrics
from gateway.packets import Kind, Packet
from gateway.send import Allowance, Publish, Rejection, judge, send
from gateway.settings import GatewaySettings
from gateway.tokens import Claims, Code, Refusal, Verifier
from shared import log

LONGEST_TIMER_SECONDS = 86_400.0
NUMBERS = 10**12

_log = log.get(__name__)


@dataclass(slots=True, eq=False)
class Login:
    """A session's own part of a connection. `asked`: the callbacks that are awaited, number to message id."""

    id: str
    claims: Claims
    allowance: Allowance
    asked: dict[int, str] = field(default_factory=dict)
    expiry: asyncio.TimerHandle | None = None


Connection = engine.Connection[Login]


class Sockets:
    """The sockets half of the core's port, and the source of its facts about clients."""

    def __init__(
        self,
        settings: GatewaySettings,
        verifier: Verifier,
        metrics: Metrics,
        tasks: asyncio.TaskGroup,
        *,
        sessions: Sessions,
        serving: Callable[[], bool],
        publish: Publish,
    ) -> None:
        """`serving` says whether sessions can be opened; `publish` takes what clients send."""
        self._settings = settings
        self._namespace = settings.gateway_namespace
        self._verifier = verifier
        self._metrics = metrics
        self._sessions = sessions
        self._serving = serving
        self._publish = publish
        self._tasks = tasks
        self._by_session: dict[str, Connection] = {}
        # The stock client sends a callback that its application calls late over the connection it has by then,
        # with the number of the old one. So no two sessions share numbers, of two gateways neither.
        self._numbers = itertools.count(secrets.randbelow(NUMBERS))
        self.engine: engine.Engine[Login] = engine.Engine(
            settings, metrics, tasks, on_text=self._said, on_gone=self._log_out
        )

    # The core's port.

    def emit(self, session: str, message: str, event: bytes, attachment: bytes | None) -> None:
        connection = self._by_session.get(session)
        if connection is None or connection.session is None:
            return  # its close is on the way to the core
        login = connection.session
        number = next(self._numbers)
        login.asked[number] = message
        if attachment is None:
            self.engine.write(connection, packets.event(self._namespace, number, "message", event))
        else:
            self.engine.write(connection, packets.binary_event(self._namespace, number, "message", event))
            self.engine.write(connection, attachment)
        self._metrics.emitted.inc()

    def cut(self, session: str, why: str) -> None:
        connection = self._by_session.get(session)
        if connection is not None:
            self.engine.close(connection, why)

    def replace(self, session: str) -> None:
        connection = self._by_session.get(session)
        if connection is not None and self.engine.is_open(connection):
            self._metrics.replaced.inc()
            self.engine.write(connection, packets.event(self._namespace, None, "replaced"))
            self.engine.write(connection, packets.disconnected(self._namespace))
            self.engine.close(connection, "replaced")

    def cut_some(self, count: int, why: str) -> int:
        """Closes up to `count` connections; returns how many."""
        found = self.engine.open_connections()[:count]
        for connection in found:
            self.engine.close(connection, why)
        return len(found)

    # Every text that a client sends.

    async def _said(self, connection: Connection, text: str | None) -> None:
        packet = None if text is None else packets.parse(text)
        try:
            if packet is None or not await self._hear(connection, packet):
                self._metrics.bad_frames.inc()
                self.engine.close(connection, "bad packet")
        except Exception:  # noqa: BLE001 -- a fault of ours stays with the client that met it
            _log.exception("a client's packet met a fault of this program; its connection is closed")
            self.engine.close(connection, "fault")

    async def _hear(self, connection: Connection, packet: Packet) -> bool:
        """False: no client that means well says this."""
        login = connection.session if packet.namespace == self._namespace else None
        match packet.kind:
            case Kind.CONNECT:
                await self._connect(connection, packet)
            case Kind.CONNECT_ERROR:
                return False
            case _ if login is None:
                pass  # said before it knew that its session is over
            case Kind.DISCONNECT:
                self._log_out(connection)
            case Kind.EVENT:
                return self._event(connection, login, packet)
            case Kind.ACK:
                return self._answer(login, packet)
        return True

    # Logging in and out.

    async def _connect(self, connection: Connection, packet: Packet) -> None:
        if packet.namespace != self._namespace:
            refusal: Refusal | None = Refusal(Code.BAD_REQUEST, "there is no such namespace")
        elif connection.session is not None:
            refusal = Refusal(Code.BAD_REQUEST, "this connection has a session")
        else:
            refusal = await self._log_in(connection, handshake.read(packet.body))
        if refusal is None:
            return
        self._metrics.rejected.labels(refusal.code).inc()
        if refusal.code is Code.UNAVAILABLE:
            # No connect_error: the stock client would not come back.
            self.engine.close(connection, "not serving")
        else:
            self.engine.write(connection, packets.refused(packet.namespace, refusal.code, refusal.detail))

    async def _log_in(self, connection: Connection, asked: handshake.Handshake | Refusal) -> Refusal | None:
        if isinstance(asked, Refusal):
            return asked
        if not self._serving():
            return Refusal(Code.UNAVAILABLE, "")
        claims = await self._verifier.verify(asked.token)
        if isinstance(claims, Refusal):
            return claims
        if not self._serving():  # any more
            return Refusal(Code.UNAVAILABLE, "")
        if not self.engine.is_open(connection) or connection.session is not None:
            return None  # it left, or asked twice, while the keys were read
        now = time.monotonic()
        allowance = Allowance(self._settings.gateway_send_per_second, now)
        login = connection.session = Login(secrets.token_urlsafe(15), claims, allowance)
        self._by_session[login.id] = connection
        self.engine.logged_in(connection)
        self._expire(connection, login)
        # Before the core hears of it: what the core emits must come after.
        self.engine.write(connection, packets.connected(self._namespace, login.id))
        self._sessions.open(login.id, claims.user, asked.seen, now, time.time())
        return None

    def _log_out(self, connection: Connection) -> None:
        login, connection.session = connection.session, None
        if login is None:
            return
        del self._by_session[login.id]
        if login.expiry is not None:
            login.expiry.cancel()
        self.engine.logged_out(connection)
        self._sessions.close(login.id, time.monotonic())

    def _expire(self, connection: Connection, login: Login) -> None:
        """Closes the connection when the token ends."""
        if login.expiry is not None:
            login.expiry.cancel()
            login.expiry = None
        if login.claims.expires is None:
            return
        left = login.claims.expires - time.time()
        if left <= 0:
            self.engine.close(connection, "token expired")
        else:
            loop = asyncio.get_running_loop()
            login.expiry = loop.call_later(min(left, LONGEST_TIMER_SECONDS), self._expire, connection, login)

    # What clients say.

    def _answer(self, login: Login, packet: Packet) -> bool:
        arguments = packets.arguments(packet)
        if arguments is None or packet.id is None:
            return False
        message = login.asked.pop(packet.id, None)
        if message is None:
            return True  # a second answer, or one to nothing: it changes nothing
        match read_answer(arguments):
            case Confirmed(value, detail):
                self._sessions.answered(login.id, message, value, detail, time.monotonic())
            case Refused(detail):
                self._sessions.refused(login.id, message, detail, time.monotonic())
        return True

    def _event(self, connection: Connection, login: Login, packet: Packet) -> bool:
        match packets.arguments(packet):
            case None | []:
                return False
            case [b'"send"', argument, *_]:
                self._send(connection, login, packet.id, argument)
            case [b'"renew"', argument, *_]:
                self._tasks.create_task(self._renew(connection, login, packet.id, argument))
            case _:
                pass  # an event that this version does not know
        return True

    def _send(self, connection: Connection, login: Login, number: int | None, argument: bytes) -> None:
        verdict = login.allowance.take(time.monotonic()) or judge(
            argument, login.claims, self._settings.max_message_bytes
        )
        if isinstance(verdict, Rejection):
            self._metrics.sends.labels(verdict.code).inc()
            self._reply(connection, number, verdict.answer())
            return

        async def finish() -> None:
            login.allowance.unanswered += 1
            try:
                answer = await send(verdict, self._publish)
            finally:
                login.allowance.unanswered -= 1
            self._metrics.sends.labels(answer.get("error", "ok")).inc()
            self._reply(connection, number, answer)

        # A task of its own, so that answers are not held up. Tasks start in this order, and so they publish.
        self._tasks.create_task(finish())

    async def _renew(self, connection: Connection, login: Login, number: int | None, argument: bytes) -> None:
        limit = login.allowance.take(time.monotonic())
        if limit is not None:
            self._reply(connection, number, limit.answer())
            return
        asked = handshake.read(argument)
        claims = asked if isinstance(asked, Refusal) else await self._verifier.verify(asked.token)
        if isinstance(claims, Claims) and claims.user != login.claims.user:
            claims = Refusal(Code.UNAUTHORIZED, "the token is another user's")
        if isinstance(claims, Refusal):
            self._reply(connection, number, {"ok": False, "error": claims.code, "detail": claims.detail})
        elif connection.session is login:
            login.claims = claims
            self._expire(connection, login)
            self._reply(connection, number, {"ok": True, "expires": claims.expires})

    def _reply(self, connection: Connection, number: int | None, value: object) -> None:
        if number is not None and connection.session is not None:
            self.engine.write(connection, packets.answer(self._namespace, number, value))
