"""Socket.IO: who has logged in and what they say. Facts go to the core in the order in which they came."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable

from gateway import engine, handshake, packets
from gateway.answers import Confirmed, Refused, read_answer
from gateway.core.expiries import Expiries
from gateway.core.sessions import Sessions
from gateway.lane import LANE, Lane
from gateway.login import Connection, Lobby, Login
from gateway.metrics import Metrics
from gateway.send import Allowance, Publish, Rejection, judge, send
from gateway.server import Server
from gateway.settings import GatewaySettings
from gateway.tokens import Claims, Code, Refusal, Verifier
from shared import log
from shared.http import Scope
from shared.sparing import Sparing
from shared.wire import NULL

_log = log.get(__name__)


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
        self._sparing = Sparing()
        self._tasks = tasks
        self._by_session: dict[str, Connection] = {}
        self._expiries: Expiries[str] = Expiries()  # of sessions
        self._outbox: asyncio.Queue[tuple[Connection, Callable[[], Awaitable[None]]]] = asyncio.Queue()
        self._server = Server(settings, self, **engine.options(settings))
        self.engine: engine.Engine[Login] = engine.Engine(settings, metrics, tasks, self._server, serving)
        self.lobby = Lobby(self.engine)

    async def run(self) -> None:
        """For ever: what is to be sent, one after the other, because the order of messages hangs on it (I3)."""
        while True:
            connection, send = await self._outbox.get()
            await send()
            connection.queued -= 1

    def tick(self, now: float) -> None:
        """Several times a second: ends those who do not log in or read, and whose token ends. `now` is monotonic."""
        self.engine.tick(now)
        for session in self._expiries.due(time.time()):
            self.engine.close(self._by_session[session], "token expired")

    # The core's port.

    def emit(self, session: str, message: str, event: bytes, attachment: bytes | None) -> None:
        connection = self._by_session.get(session)
        if connection is None or connection.session is None or connection.closing:
            return  # its close is on the way to the core
        answered = functools.partial(self._answered, session, message)
        lane = self._lane(connection, connection.session)
        if lane is not None and attachment is None and lane.say(event, answered):
            return

        def send() -> Awaitable[None]:
            return self._server.emit_to(session, "message", packets.payload(event, attachment), answered)

        self._queue(connection, send)

    def cut(self, session: str, why: str) -> None:
        connection = self._by_session.get(session)
        if connection is None:
            return

        async def close() -> None:
            self.engine.close(connection, why)

        self._queue(connection, close)  # after what was emitted before

    def replace(self, session: str) -> None:
        if self._dismiss(session, "replaced", event="replaced"):
            self._metrics.replaced.inc()

    def evict(self, session: str) -> None:
        self._dismiss(session, "evicted")

    def _dismiss(self, session: str, why: str, event: str | None = None) -> bool:
        """By a Socket.IO disconnect, after which a stock client stays away. False: it is gone already."""
        connection = self._by_session.get(session)
        if connection is None or not self.engine.is_open(connection):
            return False

        async def send() -> None:
            if event is not None:
                await self._server.emit_to(session, event)
            await self._server.disconnect(session, self._namespace)
            self.engine.close(connection, why)

        self._queue(connection, send)  # after what was emitted before
        return True

    def _lane(self, connection: Connection, login: Login) -> Lane | None:
        """None: what this client is sent goes the libraries' way, as long as some of it still does."""
        if login.lane is None and LANE.taken:
            login.lane = self._server.lane(login.id, connection.line)
        return None if connection.queued else login.lane

    def _queue(self, connection: Connection, send: Callable[[], Awaitable[None]]) -> None:
        connection.queued += 1
        self._outbox.put_nowait((connection, send))

    def hold(self, connection: Connection) -> None:
        """It is closed soon: what it would still be sent, the user's next session gets."""
        if connection.session is not None:
            self._sessions.hold(connection.session.id)

    def at_rest(self, connection: Connection) -> bool:
        """Neither side waits for an answer of the other."""
        login = connection.session
        return login is None or not (self._sessions.unanswered(login.id) or login.allowance.unanswered)

    def cut_some(self, count: int, why: str) -> int:
        """Closes up to `count` connections; returns how many."""
        found = self.engine.open_connections()[:count]
        for connection in found:
            self.engine.close(connection, why)
        return len(found)

    # What the server tells: connections come and go.

    def came(self, connection: str, scope: Scope) -> None:
        self.engine.came(connection, scope)

    def left(self, connection: str) -> None:
        self.engine.left(connection)

    def is_open(self, connection: str) -> bool:
        found = self.engine.connection(connection)
        return found is not None and self.engine.is_open(found)

    def in_vain(self, connection: str) -> None:
        self.engine.spend(connection)

    def unread(self, connection: str) -> None:
        self.engine.abort(connection)

    def failed(self, connection: str, err: Exception) -> None:
        found = self.engine.connection(connection)
        if isinstance(err, packets.BadPacket | ValueError):
            self._metrics.bad_frames.inc()
        else:
            _log.error("a client's packet met a fault of this program; its connection is closed", exc_info=err)
        if found is not None:
            self.engine.close(found, "bad packet" if isinstance(err, ValueError) else "fault")

    # Logging in and out.

    async def stranger_spoke(self, connection: str) -> None:
        if (found := self.engine.connection(connection)) is not None:
            await self.lobby.turn(found)

    async def log_in(self, connection: str, session: str, auth: str | None) -> Refusal | None:
        found = self.engine.connection(connection)
        if found is None:
            refusal: Refusal | None = Refusal(Code.UNAVAILABLE, "")
        else:
            self.engine.judging(found)
            refusal = await self._log_in(found, session, auth)
        if refusal is not None:
            if found is not None:
                self.engine.refused(found)
            self._metrics.rejected.labels(refusal.code).inc()
            if (left_out := self._sparing.take(refusal.code)) is not None:
                _log.info("a client is not let in", reason=refusal.code, detail=refusal.detail, left_out=left_out)
            if refusal.code is Code.UNAVAILABLE and found is not None:
                # Before the refusal, which is then not sent: the stock client would not come back.
                self.engine.close(found, "not serving")
        return refusal

    async def _log_in(self, connection: Connection, session: str, auth: str | None) -> Refusal | None:
        asked = handshake.read(auth or "")
        if isinstance(asked, Refusal):
            return asked
        if not self._serving():
            return Refusal(Code.UNAVAILABLE, "")
        claims = await self._verifier.verify(asked.token)
        if isinstance(claims, Refusal):
            return claims
        if not self._serving() or not self.engine.is_open(connection):  # any more
            return Refusal(Code.UNAVAILABLE, "")
        allowance = Allowance(self._settings.gateway_send_per_second, time.monotonic())
        connection.session = Login(session, claims, asked.seen, allowance)
        self._by_session[session] = connection
        self.engine.logged_in(connection)
        self._expiries.set(session, claims.expires)
        return None

    def logged_in(self, session: str) -> None:
        """Only now, so that what the core emits comes after the answer to CONNECT."""
        connection = self._by_session.get(session)
        if connection is not None and connection.session is not None:
            login = connection.session
            _log.debug("session begins", user=login.claims.user, session=session)
            self._sessions.open(session, login.claims.user, login.seen, time.monotonic(), time.time())

    def logged_out(self, session: str) -> None:
        connection = self._by_session.pop(session, None)
        if connection is None or connection.session is None:
            return
        login, connection.session = connection.session, None
        _log.debug("session over", user=login.claims.user, session=session)
        self._expiries.left(session)
        if login.lane is not None:
            login.lane.close()
        self.engine.logged_out(connection)
        self._sessions.close(session, time.monotonic())

    # What clients say.

    def _answered(self, session: str, message: str, arguments: list[bytes]) -> None:
        match read_answer(arguments):
            case Confirmed(value, detail):
                self._sessions.answered(session, message, value, detail, time.monotonic())
            case Refused(detail):
                self._sessions.refused(session, message, detail, time.monotonic())

    def said(self, session: str, number: int | None, said: list[bytes]) -> None:
        connection = self._by_session.get(session)
        if connection is None or connection.session is None:
            return  # said before it knew that its session is over
        login = connection.session
        match said:
            case []:
                raise packets.BadPacket("an event without a name")
            case [b'"send"', *arguments]:
                self._send(login, number, next(iter(arguments), NULL))
            case [b'"renew"', *arguments]:
                self._tasks.create_task(self._renew(connection, login, number, next(iter(arguments), NULL)))
            case _:
                pass  # an event that this version does not know

    def _send(self, login: Login, number: int | None, argument: bytes) -> None:
        now = time.monotonic()
        verdict = login.allowance.take(now) or judge(argument, login.claims, self._settings.max_message_bytes)
        login.allowance.unanswered += 1

        async def finish() -> None:
            try:
                answer = verdict.answer() if isinstance(verdict, Rejection) else await send(verdict, self._publish)
                self._metrics.sends.labels(answer.get("error", "ok")).inc()
                await self._server.answer(login.id, number, answer)
            finally:
                login.allowance.unanswered -= 1

        # A task of its own, so that answers are not held up. Tasks start in this order, and so they publish.
        self._tasks.create_task(finish())

    async def _renew(self, connection: Connection, login: Login, number: int | None, argument: bytes) -> None:
        asked = login.allowance.take(time.monotonic()) or handshake.read(argument, "what renew is given")
        if isinstance(asked, Rejection):
            await self._server.answer(login.id, number, asked.answer())
            return
        claims = asked if isinstance(asked, Refusal) else await self._verifier.verify(asked.token)
        if isinstance(claims, Claims) and claims.user != login.claims.user:
            claims = Refusal(Code.UNAUTHORIZED, "the token is another user's")
        if isinstance(claims, Refusal):
            answer: object = {"ok": False, "error": claims.code, "detail": claims.detail}
            await self._server.answer(login.id, number, answer)
        elif connection.session is login:
            login.claims = claims
            self._expiries.set(login.id, claims.expires)
            await self._server.answer(login.id, number, {"ok": True, "expires": claims.expires})
