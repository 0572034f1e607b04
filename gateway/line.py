"""One client's WebSocket: how much it may say that is no answer, and how long it may go without reading.

An answer to a message is free, as there is one for each message: thousands a second while a backlog is worked off.
"""

import asyncio

from shared.straight import StraightWebSocket

FRAMES_AT_ONCE = 200
FRAMES_PER_SECOND = 20
"""And ten times, or twice, what a client may send: who asks too often is told so first, and cut for a flood only."""

ENDING_SECONDS = 5.0
"""How long what is queued may take to be read once the connection is to be closed."""


class Patience:
    """A token bucket over the frames of a client; `now` is monotonic seconds."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, sends_per_second: float, now: float) -> None:
        self._burst = FRAMES_AT_ONCE + 10 * sends_per_second
        self._rate = FRAMES_PER_SECOND + 2 * sends_per_second
        self._left, self._at = self._burst, now

    def take(self, now: float) -> bool:
        """False: that was one too many."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate) - 1
        self._at = now
        return self._left >= 0


class Line:
    """A WebSocket's transport, watched. None of its methods raises."""

    def __init__(self, websocket: object, patience: Patience, watched: "set[Line] | None" = None) -> None:
        """`websocket` is uvicorn's; any other object cannot be aborted, and has no fast lane.

        In `watched` it is while it is written to or is to end, so that looking costs nothing for the others.
        """
        self.patience = patience
        self._watched = watched
        self.straight = websocket if isinstance(websocket, StraightWebSocket) else None
        self.listens = False
        """Whether engine.io waits for what comes next, and so is done with all that came before."""
        self._transport: asyncio.WriteTransport | None = getattr(websocket, "transport", None)
        self._writing = 0
        self._unsent = 0
        self._moved_at = 0.0  # when the client last read some of it
        self._ending_at: float | None = None
        self._over = False

    def write_began(self, now: float) -> None:
        self._writing += 1
        self._moved_at = now
        self._watch()

    def write_ended(self) -> None:
        self._writing -= 1
        if not self._writing and self._ending_at is None and self._watched is not None:
            self._watched.discard(self)

    def is_over(self, now: float) -> None:
        """All has been said. Its transport does not close before that is read; there are a few seconds for it."""
        self._over = True
        if self._is_unread():
            self.ends(now)
        else:
            self._forget()

    def is_stuck(self, now: float, seconds: float) -> bool:
        """Whether something is being written and the client has not read a byte of it for so long."""
        unsent = 0 if self._transport is None else self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._moved_at = unsent, now
        return self._writing > 0 and now - self._moved_at > seconds

    def ends(self, now: float) -> None:
        """It is to be closed once what is queued has been written, and soon in any case."""
        if self._ending_at is None:
            self._ending_at = now
            self._watch()

    def is_late(self, now: float) -> bool:
        return self._ending_at is not None and now - self._ending_at > ENDING_SECONDS

    def _watch(self) -> None:
        if self._watched is not None:
            self._watched.add(self)

    def abort(self) -> None:
        """At once, with all that is not read. ASGI has no way to: a close would wait behind it."""
        if self._transport is not None and (self._is_unread() or not self._over):
            self._transport.abort()
        if self._over:
            self._forget()

    def _is_unread(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def _forget(self) -> None:
        """Nobody is to look at it any more."""
        if self._watched is not None:
            self._watched.discard(self)
        self._watched = None
