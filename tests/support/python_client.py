"""python-socketio's own asyncio client, in the test's process."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import socketio

from tests.support.client import Client, Json, Message, Mode, Seen
from tests.support.until import until

SHUT_DOWN_SECONDS = 5.0
"""How long a library that calls itself connected without a connection is waited for."""

SEEN = 256


@dataclass(slots=True)
class PythonClient(Client):
    """One `socketio.AsyncClient`. What it keeps waiting is a future that its handler awaits."""

    transports: tuple[str, ...] = ("websocket",)
    _sio: Any = None
    _http: aiohttp.ClientSession | None = None
    _mode: tuple[Mode, Json, str, float] = (Mode.CONFIRM, None, "", 0.0)
    _confirmed: list[str] = field(default_factory=list)
    _kept: dict[str, list[asyncio.Future[Json]]] = field(default_factory=dict)

    async def connect(self, url: str, token: str, *, seen: Seen | list[str] = Seen.NEVER) -> None:
        handed: list[str] = []

        def auth() -> dict[str, Json]:
            handed[:] = seen if isinstance(seen, list) else self._confirmed[-SEEN:]
            return {"token": token} if seen is Seen.NEVER else {"token": token, "seen": list(handed)}

        await self.end()
        # A session of our own: the library forgets to close the one of a connection that failed half-way.
        # It keeps a balancer's cookie, for long-polling, also where the balancer has no name but an address.
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        sio = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.3, http_session=self._http)
        self._sio = sio

        def connected() -> None:
            if self._sio is sio:  # else the library connects what has been ended meanwhile
                self.note_connected(sio.get_sid(), [] if seen is Seen.NEVER else handed)

        self._sio.on("connect", connected)
        self._sio.on("disconnect", self.note_disconnected)
        self._sio.on("connect_error", self._refused)
        self._sio.on("replaced", self._count_replaced)
        self._sio.on("message", self._receive)
        try:
            await self._sio.connect(url, auth=auth, transports=list(self.transports))
        except socketio.exceptions.ConnectionError as err:
            if not self.refusals:
                self.refusals.append((str(err), None))

    async def disconnect(self) -> None:
        await self._sio.disconnect()
        await until(lambda: not self.connected, f"{self.name} disconnected")

    async def vanish(self) -> None:
        """Socket.IO says nothing; the library cannot keep its transport from closing."""
        self._sio.reconnection = False
        await self._sio.eio.disconnect(abort=True)
        await self.end()

    async def mode(self, mode: Mode, *, value: Json = None, reason: str = "", delay_seconds: float = 0.0) -> None:
        self._mode = (mode, value, reason, delay_seconds)

    async def confirm(self, message: str, *, value: Json = None, try_number: int = -1) -> None:
        self._kept[message][try_number].set_result(value)

    async def send(self, to: str, data: Json, **more: Json) -> dict[str, Json]:
        answer: dict[str, Json] = await self._sio.call("send", {"to": to, "data": data, **more})
        return answer

    async def renew(self, token: str) -> dict[str, Json]:
        answer: dict[str, Json] = await self._sio.call("renew", {"token": token})
        return answer

    async def end(self) -> None:
        sio, self._sio = self._sio, None
        if sio is not None:
            await _shut_down(sio)
        if self._http is not None:
            await self._http.close()
        for futures in self._kept.values():
            for future in futures:
                future.cancel()

    async def _receive(self, said: dict[str, Any]) -> Json:
        message = said["id"]
        self.note_message(
            Message(
                id=message,
                data=said["data"],
                type=said["type"],
                sender=said["from"],
                timestamp=said["timestamp"],
                redelivered=said["redelivered"],
                session=self._sio.get_sid(),
            )
        )
        mode, value, reason, delay_seconds = self._mode
        if mode is Mode.REFUSE:
            return {"error": reason}
        if mode is Mode.SILENT:
            answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
            self._kept.setdefault(message, []).append(answer)
            value = await answer
        if mode is Mode.DELAY:
            await asyncio.sleep(delay_seconds)
        self._confirmed.append(message)
        self.note_confirmed(message)
        return value

    async def _refused(self, said: Json) -> None:
        if isinstance(said, dict) and "message" in said:
            self.refusals.append((said["message"], said.get("data")))

    async def _count_replaced(self, *_: Json) -> None:
        self.replaced += 1


async def _shut_down(sio: Any) -> None:
    """For good. By itself the library connects again if its connection is lost just then, with a session of its own."""
    sio.reconnection = False
    deadline = asyncio.get_running_loop().time() + SHUT_DOWN_SECONDS
    pause = 0.0  # a reconnection forgets with its first step that it was told to end
    while True:
        await asyncio.sleep(pause)
        await sio.shutdown()
        coming_back = sio._reconnect_task  # there is no other way to know
        if coming_back is None or coming_back.done():
            if not sio.connected:
                return
            # It calls itself connected for ever if its connection had ended just when it was told to end it.
            if sio.eio.state == "disconnected" and asyncio.get_running_loop().time() > deadline:
                return
        pause = 0.001
