"""engine.io: the connections themselves, what may be written to them, when they are closed.

A connection is closed by flushing and closing its transport, never by a Socket.IO disconnect, so that a stock
client comes back by itself.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import engineio
from engineio.packet import MESSAGE, Packet

from gateway.frames import Frames
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings
from shared.http import Receive, Scope, Send

LOGIN_SECONDS = 10.0
"""How long a connection may go without a session."""

S = TypeVar("S")


@dataclass(slots=True, eq=False)
class Connection(Generic[S]):
    """`session` is None until the client has logged in, and again after it has logged out."""

    id: str
    since: float
    session: S | None = None
    closing: bool = False


class Engine(Generic[S]):
    """All connections of one gateway. `on_text` gets None for what is not text; it must not raise."""

    def __init__(
        self,
        settings: GatewaySettings,
        metrics: Metrics,
        tasks: asyncio.TaskGroup,
        *,
        on_text: Callable[[Connection[S], str | None], Awaitable[None]],
        on_gone: Callable[[Connection[S]], None],
    ) -> None:
        self._metrics = metrics
        self._tasks = tasks
        self._on_text = on_text
        self._on_gone = on_gone
        self._connections: dict[str, Connection[S]] = {}
        self._strangers: dict[str, Connection[S]] = {}  # without a session, the longest waiting first
        self._engine = engineio.AsyncServer(
            async_mode="asgi",
            ping_interval=settings.gateway_ping_interval_seconds,
            ping_timeout=settings.gateway_ping_timeout_seconds,
            transports=list(settings.gateway_transports),
            cors_allowed_origins=_origins(settings.gateway_cors_origins),
            max_http_buffer_size=settings.frame_bytes,
            http_compression=False,
            logger=logging.getLogger("engineio.server"),
        )
        self._engine.on("connect", self._came)
        self._engine.on("message", self._said)
        self._engine.on("disconnect", self._left)
        self.app = Frames(
            self._serve,
            polling="polling" in settings.gateway_transports,
            stuck_seconds=settings.gateway_ping_interval_seconds + settings.gateway_ping_timeout_seconds,
            on_bad_frame=metrics.bad_frames.inc,
        )

    def write(self, connection: Connection[S], text: str | bytes) -> None:
        """Queues it, in order. Nothing happens once the connection is being closed."""
        socket = self._engine.sockets.get(connection.id)
        if socket is not None and not (connection.closing or socket.closing or socket.closed):
            # What engine.io's `send` does, without its three coroutines: 100 us less for each message.
            socket.queue.put_nowait(Packet(MESSAGE, data=text))

    def close(self, connection: Connection[S], why: str) -> None:
        """Sends what is queued, then closes. Idempotent. `why` is counted: one of a few fixed reasons."""
        self._strangers.pop(connection.id, None)
        socket = self._engine.sockets.get(connection.id)
        if connection.closing or socket is None:
            return
        connection.closing = True
        self._metrics.cut.labels(why).inc()
        if socket.upgraded:
            socket.queue.put_nowait(None)  # engine.io's own sign for the writer to flush, close and end
        else:
            # A polling client learns it from the next poll's answer.
            self._tasks.create_task(socket.close(wait=False, reason=self._engine.reason.SERVER_DISCONNECT))

    def is_here(self, connection: Connection[S]) -> bool:
        """Until engine.io says that it is gone."""
        return connection.id in self._connections

    def is_open(self, connection: Connection[S]) -> bool:
        return self.is_here(connection) and not connection.closing

    def logged_in(self, connection: Connection[S]) -> None:
        self._strangers.pop(connection.id, None)

    def logged_out(self, connection: Connection[S]) -> None:
        """From now on it has a few seconds to log in again."""
        if self.is_open(connection):
            connection.since = time.monotonic()
            self._strangers[connection.id] = connection

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
            self._metrics.cut.labels("does not read").inc(stuck)
        while self._strangers:
            connection = next(iter(self._strangers.values()))
            if now - connection.since < LOGIN_SECONDS:
                return
            self.close(connection, "no login")

    async def stop(self) -> None:
        """Ends engine.io's own task. Connections are not touched."""
        await self._engine.shutdown()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._engine.handle_request(scope, receive, send)  # what it returns is no ASGI matter

    async def _came(self, name: str, _environ: object) -> None:
        self._connections[name] = self._strangers[name] = Connection(name, time.monotonic())

    async def _said(self, name: str, text: object) -> None:
        connection = self._connections.get(name)
        if connection is not None:
            await self._on_text(connection, text if isinstance(text, str) else None)

    async def _left(self, name: str, _reason: str) -> None:
        connection = self._connections.pop(name, None)
        self._strangers.pop(name, None)
        if connection is not None:
            self._on_gone(connection)


def _origins(origins: tuple[str, ...]) -> list[str] | str | None:
    """As engine.io wants it: None is the same origin."""
    if not origins:
        return None
    return "*" if "*" in origins else list(origins)
