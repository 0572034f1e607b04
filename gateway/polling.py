"""Keeps from engine.io what it cannot bear of clients that poll: posts that are none, upgrades that never come about.

It takes a post that was cut off for a whole one, goes on after a packet that is none, waits for ever for an upgrade
that was begun, and stops delivering to a client whose upgrade failed.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Protocol
from urllib.parse import parse_qs

from shared.http import App, Message, Receive, Scope, Send, refuse

UPGRADE_SECONDS = 10.0
POST_PACKETS = 256
"""The stock JavaScript client posts all that it has at once: the confirmations of a whole window (128 at most) and what
it sends. engine.io itself would take 16."""

_SEPARATOR = "\x1e"
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
    ) -> None:
        """`find` knows the connections that are open, by engine.io's id; `on_bad_post` closes one of them."""
        self._app = app
        self._post_bytes = post_bytes
        self._find = find
        self._on_bad_post = on_bad_post

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        connection = asked.get("sid", [""])[0]
        if "j" in asked:
            await refuse(scope, send, 400, b"no JSONP\n")
        elif not connection:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._upgrade(connection, scope, receive, send)
        elif scope["method"] == "POST":
            await self._post(connection, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _post(self, connection: str, scope: Scope, receive: Receive, send: Send) -> None:
        if self._find(connection) is None:  # engine.io fails on one that is just being closed
            await refuse(scope, send, 400, b"no such connection\n")
            return
        body = await _whole(receive, self._post_bytes)
        if body is None or not _is_payload(body):
            self._on_bad_post(connection)
            await refuse(scope, send, 400, b"not a payload\n")
            return
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replayed() -> Message:
            return next(given, None) or await receive()

        # engine.io reads as much as this header says, nothing if it is missing.
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await self._app({**scope, "headers": headers}, replayed, send)

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


def _is_payload(body: bytes) -> bool:
    try:
        packets = body.decode().split(_SEPARATOR)
    except UnicodeDecodeError:
        return False
    return len(packets) <= POST_PACKETS and all(_PACKET.match(packet) for packet in packets)
