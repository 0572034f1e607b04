"""One connection to a gateway, from its login to its end.

python-socketio acks an event with whatever its handler returns, over whatever connection there is by then. So each
connection has a client of its own: an answer can only reach the session that the message came to.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
import socketio
from socketio import packet

from shared.client.message import Place

LOGIN_SECONDS = 10
CONNECT_SECONDS = 20.0
CLOSE_SECONDS = 3.0
ANSWER_SECONDS = 35.0
"""Longer than the gateway waits for its broker, so that it answers first."""

Arrive = Callable[[dict[str, Any], Place], None]


class Away(Exception):
    """No gateway could be reached, or it closed at once: worth another try."""


class LoginRefused(Exception):
    """By the gateway: a plain retry cannot help."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


class Dismissed(Exception):
    """The gateway sent this client away for good: `replaced` or `disconnected`."""


class _Connector(aiohttp.TCPConnector):
    """Closes what python-socketio leaves open: a WebSocket that ends before its first packet."""

    def __init__(self) -> None:
        super().__init__()
        self._made: list[aiohttp.connector.Connection] = []

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 -- as theirs
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        self._made.append(connection)
        return connection

    def end(self) -> None:
        for connection in self._made:
            connection.close()


class _Callback:
    """Answered by the event's handler, which waits for `answered`."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def answer(self, value: object) -> bool:
        if self.answered.done():
            return False
        self.answered.set_result(value)
        return True


class _Json:
    loads = staticmethod(json.loads)

    @staticmethod
    def dumps(value: object, separators: tuple[str, str] | None = None) -> str:
        try:
            return orjson.dumps(value).decode()
        except TypeError:  # half a surrogate pair: the gateway says what it thinks of it
            return json.dumps(value, separators=separators)


class _Packet(packet.Packet):  # type: ignore[misc]  # it has no types
    """Text goes as it is: the gateway counts what comes, and with escapes it is up to three times as long."""

    json = _Json


class Session:
    """`open` it, wait for `ended`, and `close` it whatever happened."""

    def __init__(self, url: str, path: str, namespace: str, arrive: Arrive) -> None:
        self._url, self._path, self._namespace = url, path.strip("/"), namespace
        self._arrive = arrive
        self._callbacks: set[_Callback] = set()
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._refused: LoginRefused | None = None
        self._replaced = False
        # A session of our own: the library forgets to close the one of a connection that failed half-way.
        self._connector = _Connector()
        self._http = aiohttp.ClientSession(connector=self._connector)
        self._sio = socketio.AsyncClient(
            reconnection=False, handle_sigint=False, http_session=self._http, serializer=_Packet
        )
        on = {
            "message": self._message,
            "replaced": self._note_replaced,
            "connect_error": self._connect_error,
            "disconnect": self._disconnected,
        }
        for event, handler in on.items():
            self._sio.on(event, handler, namespace=namespace)

    async def open(self, token: str, seen: list[str]) -> None:
        """Raises `Away` or `LoginRefused`."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._sio.connect(
                    self._url,
                    auth={"token": token, "seen": seen},
                    transports=["websocket"],
                    namespaces=[self._namespace],
                    socketio_path=self._path,
                    wait_timeout=LOGIN_SECONDS,
                )
        except (socketio.exceptions.ConnectionError, aiohttp.ClientError, OSError) as err:
            raise self._refused or Away(f"{self._url}: {err or type(err).__name__}") from err

    async def ended(self) -> str:
        """Waits for the end of the connection: why. Raises `Dismissed`."""
        reading = asyncio.ensure_future(self._sio.eio.wait())  # it says nothing of an end that came with the login
        await asyncio.wait({reading, self._gone}, return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        reason = self._gone.result() if self._gone.done() else "transport close"
        if reason == self._sio.reason.SERVER_DISCONNECT:
            raise Dismissed("replaced" if self._replaced else "disconnected")
        return reason

    async def ask(self, event: str, body: dict[str, Any]) -> dict[str, Any]:
        """The gateway's answer. Raises TimeoutError."""
        try:
            answer = await self._sio.call(event, body, namespace=self._namespace, timeout=ANSWER_SECONDS)
        except socketio.exceptions.SocketIOError as err:
            raise TimeoutError(f"no answer to {event}") from err
        return answer if isinstance(answer, dict) else {}

    async def close(self) -> None:
        """Bounded. Answers given before are on their way first."""
        try:
            for _ in range(3):  # turns of the loop in which the handlers that were answered return
                await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError, OSError, aiohttp.ClientError, socketio.exceptions.SocketIOError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    if self._sio.eio.state == "connected":  # half-way there is nothing that it could end
                        await self._sio.eio.queue.join()  # the library closes before what is queued is written
                        await self._sio.disconnect()
        finally:
            self._connector.end()
            await self._http.close()
            for callback in list(self._callbacks):
                callback.answer(None)  # to nobody: its handler ends, and says so to a connection that is closed

    async def _message(self, said: object = None, *_: object) -> object:
        callback = _Callback()
        self._callbacks.add(callback)
        try:
            self._arrive(said if isinstance(said, dict) else {"data": said}, callback)
            return await callback.answered
        finally:
            self._callbacks.discard(callback)

    async def _note_replaced(self, *_: object) -> None:
        self._replaced = True

    async def _connect_error(self, error: object = None) -> None:
        if isinstance(error, dict) and "message" in error:  # anything else is a transport's trouble, which passes
            detail = error["data"].get("detail", "") if isinstance(error.get("data"), dict) else ""
            self._refused = LoginRefused(str(error["message"]), str(detail))

    async def _disconnected(self, reason: str) -> None:
        if not self._gone.done():
            self._gone.set_result(reason)
