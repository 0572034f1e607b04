"""engine.io: the connections themselves, what may be written to them, when they are closed.

A connection is closed by flushing and closing its transport, never by a Socket.IO disconnect, so that a stock
client comes back by itself.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs

from engineio.packet import CLOSE, Packet

from gateway.core.strangers import Strangers
from gateway.frames import LINE, Frames
from gateway.line import ENDING_SECONDS, Line, Patience
from gateway.metrics import Metrics
from gateway.polling import Polling, Socket
from gateway.server import Server
from gateway.settings import GatewaySettings
from shared.http import Receive, Scope, Send, refuse

MOST_STRANGERS = 10_000
"""Connections without a session that there may be; beyond it the longest waiting is closed before its time."""

FLOOD = "too many frames"
UNREAD = "does not read"

S = TypeVar("S")


@dataclass(slots=True, eq=False)
class Connection(Generic[S]):
    """`session` is None until the client has logged in, and again after it has logged out; `line` while it polls."""

    id: str
    patience: Patience
    line: Line | None = None
    session: S | None = None
    closing: bool = False
    queued: int = 0  # of what its client is to be sent, how much has not reached engine.io yet


class Engine(Generic[S]):
    """All connections of one gateway. New ones are taken while `serving`."""

    def __init__(
        self,
        settings: GatewaySettings,
        metrics: Metrics,
        tasks: asyncio.TaskGroup,
        server: Server,
        serving: Callable[[], bool],
    ) -> None:
        self._serving = serving
        self._metrics = metrics
        self._tasks = tasks
        self._server = server
        self._connections: dict[str, Connection[S]] = {}
        self._strangers: Strangers[Connection[S]] = Strangers()
        self.most_strangers = MOST_STRANGERS
        polling = Polling(
            self._serve,
            post_bytes=settings.frame_bytes,
            find=self._open_socket,
            on_bad_post=self._close_bad,
            on_trifle=self.spend,
        )
        self.app = Frames(
            polling,
            polling="polling" in settings.gateway_transports,
            stuck_seconds=settings.gateway_ping_interval_seconds + settings.gateway_ping_timeout_seconds,
            sends_per_second=settings.gateway_send_per_second,
            on_bad_frame=metrics.bad_frames.inc,
            on_flood=metrics.cut.labels(FLOOD).inc,
        )
        self._sends_per_second = settings.gateway_send_per_second

    def close(self, connection: Connection[S], why: str) -> None:
        """Sends what is queued, then closes. Idempotent. `why` is counted: one of a few fixed reasons."""
        self._strangers.left(connection)
        socket = self._server.eio.sockets.get(connection.id)
        if connection.closing or socket is None:
            return
        connection.closing = True
        self._metrics.cut.labels(why).inc()
        if connection.line is not None:
            connection.line.ends(time.monotonic())
        if socket.upgraded:
            socket.queue.put_nowait(None)  # engine.io's own sign for the writer to flush, close and end
        else:
            self._tasks.create_task(self._close_polling(socket))

    async def _close_polling(self, socket: Any) -> None:
        """The client learns it from its next poll's answer, or nothing comes; a poll after the close is refused."""
        socket.queue.put_nowait(Packet(CLOSE))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDING_SECONDS):
                await socket.queue.join()
        await socket.close(wait=False, abort=True, reason=self._server.eio.reason.SERVER_DISCONNECT)

    def spend(self, name: str) -> None:
        """The client said something that leads to nothing: it may do so a limited number of times."""
        connection = self._connections.get(name)
        if connection is not None and not connection.patience.take(time.monotonic()):
            self.close(connection, FLOOD)

    def abort(self, name: str) -> None:
        """More is queued for the client than one that reads can owe: the end, without what is queued."""
        connection = self._connections.get(name)
        if connection is not None and not connection.closing:
            self.close(connection, UNREAD)
            if connection.line is not None:
                connection.line.abort()

    def is_here(self, connection: Connection[S]) -> bool:
        """Until engine.io says that it is gone."""
        return connection.id in self._connections

    def is_open(self, connection: Connection[S]) -> bool:
        return self.is_here(connection) and not connection.closing

    def judging(self, connection: Connection[S]) -> None:
        """It has said who it is; until `logged_in` or `refused` its time stands still."""
        self._strangers.judging(connection, time.monotonic())

    def refused(self, connection: Connection[S]) -> None:
        self._strangers.refused(connection, time.monotonic())

    def logged_in(self, connection: Connection[S]) -> None:
        self._strangers.left(connection)

    def logged_out(self, connection: Connection[S]) -> None:
        """From now on it has a few seconds to log in again."""
        if self.is_open(connection):
            self._strangers.came(connection, time.monotonic())

    def open_connections(self) -> list[Connection[S]]:
        """Those that nobody has begun to close."""
        return [connection for connection in self._connections.values() if not connection.closing]

    def __len__(self) -> int:
        """All that are not gone yet."""
        return len(self._connections)

    def tick(self, now: float) -> None:
        """Several times a second: ends those who do not log in or do not read. `now` is monotonic."""
        stuck = self.app.abort_stuck(now)
        if stuck:
            self._metrics.cut.labels(UNREAD).inc(stuck)
        for connection in self._strangers.overdue(now):
            self.close(connection, "no login")

    async def stop(self) -> None:
        """Ends engine.io's own task. Connections are not touched."""
        await self._server.shutdown()

    # --- what the server tells ------------------------------------------------------------

    def came(self, name: str, scope: Scope) -> None:
        now = time.monotonic()
        connection = self._connections[name] = Connection[S](name, Patience(self._sends_per_second, now))
        self._strangers.came(connection, now)
        self._attach(connection, scope)
        if len(self._strangers) > self.most_strangers and (longest := self._strangers.longest()) is not None:
            self.close(longest, "no login")

    def left(self, name: str) -> None:
        connection = self._connections.pop(name, None)
        if connection is not None and connection.line is not None:
            connection.line.ends(time.monotonic())
        if connection is not None:
            self._strangers.left(connection)

    def connection(self, name: str) -> Connection[S] | None:
        return self._connections.get(name)

    def _open_socket(self, name: str) -> Socket | None:
        connection = self._connections.get(name)
        if connection is None or connection.closing:
            return None
        found: Socket | None = self._server.eio.sockets.get(name)
        return found

    def _close_bad(self, name: str) -> None:
        self._metrics.bad_frames.inc()
        connection = self._connections.get(name)
        if connection is not None:
            self.close(connection, "bad packet")

    def _attach(self, connection: Connection[S], scope: Scope) -> None:
        line = scope.get(LINE)
        if isinstance(line, Line):
            connection.line, connection.patience = line, line.patience

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._serving() or b"sid=" in scope["query_string"]:
            upgraded = self._connections.get(parse_qs(scope["query_string"].decode("latin-1")).get("sid", [""])[0])
            if upgraded is not None:
                self._attach(upgraded, scope)
            await self._server.handle_request(scope, receive, send)  # what it returns is no ASGI matter
        else:
            # At the door, because a client that is let in and closed comes back at once, again and again; one
            # that is refused here waits longer each time.
            self._metrics.rejected.labels("unavailable").inc()
            await refuse(scope, send, 503, b"not serving\n")


def options(settings: GatewaySettings) -> dict[str, object]:
    """What engine.io is told."""
    return {
        "ping_interval": settings.gateway_ping_interval_seconds,
        "ping_timeout": settings.gateway_ping_timeout_seconds,
        "transports": list(settings.gateway_transports),
        "cors_allowed_origins": _origins(settings.gateway_cors_origins),
        "max_http_buffer_size": settings.frame_bytes,
        "http_compression": False,
    }


def _origins(origins: tuple[str, ...]) -> list[str] | str | None:
    """As engine.io wants it: None is the same origin."""
    if not origins:
        return None
    return "*" if "*" in origins else list(origins)
