"""The fast lane: messages and their answers go straight between the core and a WebSocket.

The libraries make a task, packets, a queue's entry and a timer of each, many times the work. Whatever is not a whole
JSON message to a client that is up to date, or a good answer to one, is theirs; so is everything while they have
something of the same client in hand, and so the order is the same as without the lane.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from gateway.line import Line
from gateway.packets import BadPacket, answer
from gateway.unread import Unread
from shared.lanes import FastLane
from shared.straight import StraightWebSocket

LANE = FastLane(
    "messages to clients",
    {"python-socketio": "5.18.", "python-engineio": "4.15.", "uvicorn": "0.54.", "websockets": "17."},
)

Answered = Callable[[list[bytes]], None]


class Socket(Protocol):
    """engine.io's idea of a connection. `last_ping`: None, or the wall clock when a ping began that is unanswered."""

    queue: Unread
    upgraded: bool
    closing: bool
    closed: bool
    last_ping: float | None


class Lane:
    """One session's, from its first message over a WebSocket until it logs out."""

    def __init__(
        self,
        socket: Socket,
        line: Line,
        websocket: StraightWebSocket,
        *,
        namespace: str,
        ping_timeout_seconds: float,
        numbers: Iterator[int],
        callbacks: dict[int, Answered],
        on_fault: Callable[[Exception], None],
    ) -> None:
        """`callbacks` are the library's own, of this session, so that it does not matter which way an answer takes."""
        self._socket = socket
        self._line = line
        self._websocket = websocket
        self._ping_timeout_seconds = ping_timeout_seconds
        self._numbers = numbers
        self._callbacks = callbacks
        self._on_fault = on_fault
        self._named = b"" if namespace == "/" else namespace.encode() + b","
        self._answer = re.compile(rb"43%b([0-9]{1,15})(\[.*\])\Z" % re.escape(self._named), re.DOTALL)
        self._before = websocket.take
        websocket.take = self.take

    def close(self) -> None:
        self._websocket.take = self._before

    def say(self, event: bytes, answered: Answered) -> bool:
        """The event `message` with this JSON object. False: it has to take the other way."""
        socket = self._socket
        if not socket.queue.waits or socket.closing or socket.closed or not self._websocket.can_say():
            return False
        if socket.last_ping and time.time() - socket.last_ping > self._ping_timeout_seconds:
            return False  # engine.io finds this out when it sends, and closes
        number = next(self._numbers)
        self._callbacks[number] = answered
        self._websocket.say(b'42%b%d["message",%b]' % (self._named, number, event))
        return True

    def take(self, frame: bytes) -> bool:
        """A text frame. False: it is no good answer to what was asked, and has to take the other way."""
        match = self._answer.match(frame) if self._line.listens else None
        callback = None if match is None else self._callbacks.get(int(match[1]))
        if match is None or callback is None:
            return self._before is not None and self._before(frame)
        try:
            arguments = [] if match[2] == b"[]" else answer(match[2].decode())
        except (UnicodeDecodeError, BadPacket):
            return False
        del self._callbacks[int(match[1])]
        try:
            callback(arguments)
        except Exception as err:  # noqa: BLE001 -- a fault stays with the client that met it
            self._on_fault(err)
        return True
