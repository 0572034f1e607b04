"""Keeps from engine.io what it cannot bear: frames that are not its protocol, floods, clients that do not read.

engine.io leaves a session behind, connected to nobody, when it meets a malformed frame; and it waits for ever
for a client that has stopped reading, with everything that was meant for it in memory.
"""

import contextlib
import re
import time
from collections.abc import Callable

from gateway.attachments import plain
from gateway.line import Line, Patience
from shared.http import App, Message, Receive, Scope, Send

POLICY_VIOLATION = 1008

LINE = "restante.line"
"""Where an ASGI scope holds the `Line` of its WebSocket."""

# Text frames only: a close, a pong, or a Socket.IO packet without binary parts. With polling, also what an
# upgrade to WebSocket needs.
_FRAME = re.compile(r"[13]\Z|4[0-4]")
_FRAME_OR_UPGRADE = re.compile(r"[135]\Z|2probe\Z|4[0-4]")
_ANSWER = "43"
_BINARY_ANSWER = "46"


class Frames:
    """An ASGI filter in front of engine.io. HTTP requests pass; engine.io bounds their bodies itself."""

    def __init__(
        self,
        app: App,
        *,
        polling: bool,
        stuck_seconds: float,
        sends_per_second: float,
        on_bad_frame: Callable[[], None],
        on_flood: Callable[[], None],
    ) -> None:
        """`stuck_seconds`: how long a client may read nothing of what is being written before it is aborted."""
        self._app = app
        self._valid = _FRAME_OR_UPGRADE if polling else _FRAME
        self._stuck_seconds = stuck_seconds
        self._sends_per_second = sends_per_second
        self._on_bad_frame = on_bad_frame
        self._on_flood = on_flood
        self._watched: set[Line] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        websocket = getattr(receive, "__self__", None)
        line = scope[LINE] = Line(websocket, Patience(self._sends_per_second, time.monotonic()), self._watched)
        closed = False
        parts = 0  # of an answer with binary parts, that are to come

        async def filtered_receive() -> Message:
            nonlocal closed, parts
            while True:
                line.listens = True
                try:
                    message = await receive()
                finally:
                    line.listens = False
                if message["type"] != "websocket.receive":
                    return message
                if not (parts and message.get("bytes") is not None and line.patience.take(time.monotonic())):
                    break
                parts -= 1
            text = message.get("text") or ""
            if text.startswith(_BINARY_ANSWER):
                text, parts = plain(text)
                message = {"type": "websocket.receive", "text": text}
            if not self._valid.match(text):
                self._on_bad_frame()
            # An answer costs nothing before it is known to be one to nothing.
            elif not text.startswith(_ANSWER) and not line.patience.take(time.monotonic()):
                self._on_flood()
            else:
                return message
            closed = True
            line.ends(time.monotonic())
            with contextlib.suppress(Exception):  # gone already
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

        async def watched_send(message: Message) -> None:
            if closed:
                raise ConnectionError("closed for an invalid frame")
            line.write_began(time.monotonic())
            try:
                await send(message)
            finally:
                line.write_ended()

        try:
            await self._app(scope, filtered_receive, watched_send)
        finally:
            line.is_over(time.monotonic())

    def abort_stuck(self, now: float) -> int:
        """Ends the WebSockets of clients that do not read. `now` is monotonic; returns how many were not ending."""
        stuck = [line for line in self._watched if line.is_stuck(now, self._stuck_seconds)]
        for line in stuck:
            line.abort()
        for line in [line for line in self._watched if line.is_late(now)]:
            line.abort()
        return len(stuck)
