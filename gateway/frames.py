"""Keeps from engine.io what it cannot bear: frames that are not its protocol, and clients that do not read.

engine.io leaves a session behind, connected to nobody, when it meets a malformed frame; and it waits for ever
for a client that has stopped reading, with everything that was meant for it in memory.
"""

import contextlib
import re
import time
from collections.abc import Callable

from shared.http import App, Message, Receive, Scope, Send

POLICY_VIOLATION = 1008

# Text frames only: a close, a pong, or a Socket.IO packet without binary parts. With polling, also what an
# upgrade to WebSocket needs.
_FRAME = re.compile(r"[13]\Z|4[0-4]")
_FRAME_OR_UPGRADE = re.compile(r"[135]\Z|2probe\Z|4[0-4]")


class Frames:
    """An ASGI filter in front of engine.io. HTTP requests pass; engine.io bounds their bodies itself."""

    def __init__(self, app: App, *, polling: bool, stuck_seconds: float, on_bad_frame: Callable[[], None]) -> None:
        """`stuck_seconds`: how long a single write may take before `abort_stuck` ends that connection."""
        self._app = app
        self._valid = _FRAME_OR_UPGRADE if polling else _FRAME
        self._stuck_seconds = stuck_seconds
        self._on_bad_frame = on_bad_frame
        self._writing: dict[int, tuple[float, Receive]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        closed = False

        async def filtered_receive() -> Message:
            nonlocal closed
            message = await receive()
            if message["type"] != "websocket.receive" or self._valid.match(message.get("text") or ""):
                return message
            self._on_bad_frame()
            closed = True
            with contextlib.suppress(Exception):  # gone already
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

        async def watched_send(message: Message) -> None:
            if closed:
                raise ConnectionError("closed for an invalid frame")
            self._writing[id(filtered_receive)] = (time.monotonic(), receive)
            try:
                await send(message)
            finally:
                self._writing.pop(id(filtered_receive), None)

        await self._app(scope, filtered_receive, watched_send)

    def abort_stuck(self, now: float) -> int:
        """Ends the connections of clients that do not read. `now` is monotonic; returns how many."""
        stuck = [receive for since, receive in self._writing.values() if now - since > self._stuck_seconds]
        for receive in stuck:
            # ASGI has no way to give a connection up; a close would wait behind what is not read.
            transport = getattr(getattr(receive, "__self__", None), "transport", None)
            if transport is not None:
                transport.abort()
        return len(stuck)
