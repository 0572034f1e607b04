"""engine.io's connections, without a task, a timer or a queue at work for any of them while nothing happens.

As they come each has a task that reads with a time limit, one that writes, one that waits to ping, and a timer of
each. Here one task pings all, what is said goes straight to a WebSocket that is up to date, and a task writes only
while a client is behind. A client that polls, and what follows an upgrade, stay with the library but for the pings.
"""

import asyncio
import contextlib
import time
from typing import Any

import engineio
from engineio.async_drivers.asgi import WebSocket, translate_request
from engineio.async_socket import AsyncSocket
from engineio.exceptions import SocketIsClosedError, UnknownPacketError
from engineio.packet import PING, Packet

from gateway.core.pings import Pings
from gateway.frames import LINE
from gateway.line import Line
from shared.http import Receive, Scope, Send

LOOK_SECONDS = 0.1

_PING = Packet(PING)
_PING_FRAME = b"\x81\x01" + _PING.encode().encode()  # a text of one character, whole and not masked
_PONG = b"3"


class QuietServer(engineio.AsyncServer):  # type: ignore[misc]  # it has no types
    """engine.io's server whose sockets are quiet."""

    _async: dict[str, Any]  # theirs

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.pings: Pings[QuietSocket] = Pings(self.ping_interval, self.ping_timeout)
        self.over: list[str] = []  # ids of sockets that are closed; a request of theirs may still be answered
        self._async = {**self._async, "translate_request": environment}

    async def _trigger_event(self, event: str, *arguments: Any, run_async: bool = False) -> Any:
        if event == "connect":
            # The library names the class where it makes one; nothing of it has been at work yet.
            self.sockets[arguments[0]].__class__ = QuietSocket
        return await super()._trigger_event(event, *arguments, run_async=run_async)

    async def _service_task(self) -> None:
        """For ever, from the first connection until the server is shut down."""
        self.service_task_event = self.create_event()
        while not self.service_task_event.is_set():
            await self._look(time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.service_task_event.wait()

    async def _look(self, now: float) -> None:
        for name in self.over:
            self.sockets.pop(name, None)
        self.over.clear()
        pinged, silent = self.pings.look(now)
        for due in (*(socket.ping() for socket in pinged), *(socket.give_up() for socket in silent)):
            try:
                await due
            except Exception:  # one client's fault must not leave all others without pings
                self.logger.exception("a client could not be pinged or closed")


async def environment(scope: Scope, receive: Receive, send: Send) -> dict[str, Any]:
    """What engine.io asks of a request. Theirs makes a class for each, which only the garbage collector can end."""
    if scope["type"] != "websocket":
        theirs: dict[str, Any] = await translate_request(scope, receive, send)
        return theirs
    if (await receive())["type"] != "websocket.connect":
        return {}
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": scope["path"],
        "QUERY_STRING": scope["query_string"].decode("utf-8", "ignore"),
        "asgi.receive": receive,
        "asgi.send": send,
        "asgi.scope": scope,
    }
    for name, value in scope["headers"]:
        with contextlib.suppress(UnicodeDecodeError):
            key = "HTTP_" + name.upper().decode().replace("-", "_")
            environ[key] = f"{environ[key]},{value.decode()}" if key in environ else value.decode()
    environ["wsgi.url_scheme"] = environ.get("HTTP_X_FORWARDED_PROTO", "http")
    return environ


class QuietSocket(AsyncSocket):  # type: ignore[misc]  # it has no types
    """One connection. `_line`, `_straight` and `_websocket` are None but while it has a WebSocket from the start."""

    last_ping: float | None  # theirs: when a ping began that is unanswered, by the wall clock
    _line: Line | None = None
    _straight: Any = None
    _websocket: Any = None
    _writing: asyncio.Task[None] | None = None
    _over = False  # the WebSocket's close has begun

    def schedule_ping(self) -> None:
        if self.last_ping and not self.closing and not self.closed:
            self.last_ping = None
            self.server.pings.rest(self, time.monotonic())

    async def ping(self) -> None:
        self.last_ping = time.time()
        if self._straight is None or self._writing is not None or not self._straight.say_now(_PING_FRAME):
            self.queue.put_nowait(_PING)

    async def give_up(self) -> None:
        """It has not answered."""
        await self.close(wait=False, abort=False, reason=self.server.reason.PING_TIMEOUT)

    async def close(self, wait: bool = True, abort: bool = False, reason: Any = None) -> None:  # noqa: FBT001, FBT002 -- theirs
        self.server.pings.leave(self)
        begins = not self.closing
        try:
            await super().close(wait=False, abort=abort, reason=reason)
        finally:
            if begins:
                self.server.over.append(self.sid)
                if self.upgraded:
                    self.queue.put_nowait(None)  # whoever found out that it is over, its WebSocket is to end
        if begins and wait:
            await self.queue.join()

    async def _upgrade_websocket(self, environ: dict[str, Any]) -> Any:
        line = environ["asgi.scope"].get(LINE)
        if self.connected or line is None or line.straight is None:
            return await super()._upgrade_websocket(environ)
        self._line, self._straight = line, line.straight

        async def serve(websocket: Any) -> None:
            # Whoever wanted to know what was asked for has looked, and none of them lets go of it.
            environ.clear()
            line.straight.forget_head()
            await self._serve(websocket)

        return await WebSocket(serve, self.server)(environ)

    async def _serve(self, websocket: Any) -> None:
        """From the handshake to the end of a WebSocket."""
        self._websocket = websocket
        self.connected = self.upgraded = True
        self._begin()
        with contextlib.suppress(asyncio.CancelledError, OSError):  # the server ends, or the client has left
            while await self._hear(await websocket.wait()):
                pass
        self.queue.put_nowait(None)
        if self._writing is not None:
            await self._writing
        await self.close(wait=False, abort=True, reason=self.server.reason.TRANSPORT_CLOSE)
        # They point at each other, and would wait for the garbage collector.
        self._straight.take = self._straight = self._line = self._websocket = self.queue.say = None

    def _begin(self) -> None:
        said = []
        while not self.queue.empty():  # the handshake's packet
            said.append(self.queue.pop())
            self.queue.task_done()
        self.queue.waits, self.queue.say = True, self._say
        self._straight.take = self._take
        for packet in said:
            self.queue.put_nowait(packet)

    async def _hear(self, frame: str | bytes) -> bool:
        """False: that was the last."""
        if len(frame) > self.server.max_http_buffer_size:
            return False
        try:
            await self.receive(Packet(encoded_packet=frame))
        except SocketIsClosedError:
            return False
        except UnknownPacketError:
            pass
        except Exception:  # as the library does: what a client may say is judged elsewhere
            self.server.logger.exception("a client's packet failed")
        return not self.closed  # it may have said goodbye

    def _take(self, frame: bytes) -> bool:
        """A pong that was asked for. Counted as what comes the other way is."""
        if frame != _PONG or not self.last_ping or self._line is None or not self._line.patience.take(time.monotonic()):
            return False
        self.schedule_ping()
        return True

    def _say(self, packet: Packet | None) -> bool:
        """False: it is the end, or binary, or the client is behind: it is queued, and written from there."""
        if self._writing is None and packet is not None and not packet.binary and self._straight.can_say():
            self._straight.say(packet.encode().encode())
            return True
        if self._writing is None and not self._over:
            self._writing = asyncio.create_task(self._write())
        return False

    async def _write(self) -> None:
        try:
            while not self.queue.empty():
                packet = self.queue.pop()
                self.queue.task_done()
                if packet is None:
                    self._over = True
                    break
                await self._websocket.send(packet.encode())
        except Exception:  # noqa: BLE001 -- whatever it is, this client cannot be written to any more
            self._over = True
        if self._over:
            await self._websocket.close()
        else:
            self.queue.waits = True
        self._writing = None
