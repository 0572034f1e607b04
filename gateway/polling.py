"""Keeps from engine.io what it cannot bear of clients that poll: posts that are none, upgrades that never come about.

It takes a post that was cut off for a whole one, goes on after a packet that is none, waits for ever for an upgrade
that was begun, and stops delivering to a client whose upgrade failed. It fails on any other request that was cut off,
and on one that names an upgrade and is none.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Protocol
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from gateway.attachments import plain
from shared.http import App, Message, Receive, Scope, Send, refuse, respond

UPGRADE_SECONDS = 10.0
POST_PACKETS = 256
"""The stock JavaScript client posts all that it has at once: the confirmations of a whole window (128 at most) and what
it sends. engine.io itself would take 16."""

_SEPARATOR = "\x1e"
_PART = "b"
_MESSAGE = "4"
_PACKET = re.compile(r"[13]\Z|4[0-4]")


class Socket(Protocol):
    """engine.io's idea of a connection. `upgrading`: it sends nothing to those that poll."""

    upgrading: bool
    upgraded: bool


class Polling:
    """An ASGI filter in front of engine.io, behind `Frames`."""

    def __init__(
        self,
        app: App,
        *,
        post_bytes: int,
        find: Callable[[str], Socket | None],
        on_bad_post: Callable[[str], None],
        on_trifle: Callable[[str], None],
    ) -> None:
        """`find` knows the connections that are open, by engine.io's id; `on_bad_post` closes one of them.

        `on_trifle` counts a post of pongs alone, which nobody behind this counts, and may close its connection.
        """
        self._app = app
        self._post_bytes = post_bytes
        self._find = find
        self._on_bad_post = on_bad_post
        self._on_trifle = on_trifle
        self._parts: WeakKeyDictionary[Socket, int] = WeakKeyDictionary()
        """Of an answer with binary parts, how many are to come: the stock JavaScript client posts them after it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        connection = asked.get("sid", [""])[0]
        if "j" in asked:
            await refuse(scope, send, 400, b"no JSONP\n")
        elif scope["type"] == "websocket":
            await (self._upgrade(connection, scope, receive, send) if connection else self._app(scope, receive, send))
        elif connection and scope["method"] == "POST":
            await self._post(connection, scope, receive, send)
        else:
            headers = [(name, value) for name, value in scope["headers"] if name != b"upgrade"]
            await self._app({**scope, "headers": headers}, _no_body, send)

    async def _post(self, connection: str, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _whole(receive, self._post_bytes) if self._find(connection) is not None else None
        socket = self._find(connection)
        if socket is None:  # engine.io fails on one that is just being closed, which it may be since the head came
            await refuse(scope, send, 400, b"no such connection\n")
            return
        packets = None if body is None else self._without_parts(socket, body)
        if packets is None or len(packets) > POST_PACKETS or not all(map(_PACKET.match, packets)):
            self._on_bad_post(connection)
            await refuse(scope, send, 400, b"not a payload\n")
            return
        if not packets:
            await respond(send, 200, b"OK")  # as engine.io does
            return
        if not any(packet.startswith(_MESSAGE) for packet in packets):
            self._on_trifle(connection)
            if self._find(connection) is None:
                await refuse(scope, send, 400, b"too many\n")
                return
        body = _SEPARATOR.join(packets).encode()
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replayed() -> Message:
            return next(given, None) or await receive()

        # engine.io reads as much as this header says, nothing if it is missing.
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._app({**scope, "headers": headers}, replayed, send)

    def _without_parts(self, socket: Socket, body: bytes) -> list[str] | None:
        """The packets; None when it is no text."""
        try:
            said = body.decode().split(_SEPARATOR)
        except UnicodeDecodeError:
            return None
        packets: list[str] = []
        parts = self._parts.pop(socket, 0)
        for packet in said:
            if parts and packet.startswith(_PART):
                parts -= 1
                continue
            text, more = plain(packet)
            packets.append(text)
            parts += more
        if parts:
            self._parts[socket] = parts
        return packets

    async def _upgrade(self, connection: str, scope: Scope, receive: Receive, send: Send) -> None:
        socket = self._find(connection)
        if socket is None or socket.upgrading or socket.upgraded:
            await refuse(scope, send, 400, b"nothing to upgrade\n")
            return
        deadline = asyncio.get_running_loop().time() + UPGRADE_SECONDS
        over = False

        async def bounded() -> Message:
            nonlocal over
            try:
                async with asyncio.timeout_at(None if socket.upgraded else deadline):
                    message = await receive()
            except TimeoutError:
                message = None
            # engine.io does not look whether the connection was closed meanwhile.
            if message is None or self._find(connection) is None:
                over = True
                await send({"type": "websocket.close"})
                return {"type": "websocket.disconnect", "code": 1000}
            return message

        async def while_open(message: Message) -> None:
            if over:
                raise ConnectionError("the upgrade is over")
            await send(message)

        try:
            await self._app(scope, bounded, while_open)
        finally:
            socket.upgrading = False  # or it would answer every poll with nothing


async def _no_body() -> Message:
    """Nobody asks for one, so nobody waits for it."""
    return {"type": "http.request", "body": b"", "more_body": False}


async def _whole(receive: Receive, most_bytes: int) -> bytes | None:
    """The body of a request; None when it is too large, or its client left before the end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > most_bytes:
            return None
        if not message.get("more_body"):
            return bytes(body)
