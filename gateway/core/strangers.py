"""Connections without a session, and how long each has been silent about who it is.

Only the client's own silence counts: not the time in which a login is judged, nor that in which this process stood
still and could not have heard one.
"""

from collections.abc import Hashable
from heapq import heappop, heappush
from typing import Generic, TypeVar

LOGIN_SECONDS = 10.0
"""How long a connection may go without a session."""

STALL_SECONDS = 1.0
"""A gap between two looks that means that this process was silent, not its clients."""

S = TypeVar("S", bound=Hashable)


class Strangers(Generic[S]):
    """`now` is monotonic seconds."""

    def __init__(self) -> None:
        self._until: dict[S, float] = {}  # when its time is up, on a clock that stands still while this process does
        self._left: dict[S, float] = {}  # of those whose login is being judged: how much time they had left
        self._line: list[tuple[float, int, S]] = []  # the soonest first; with some that are not in `_until` so any more
        self._count = 0
        self._stood_still = 0.0
        self._looked: float | None = None

    def __len__(self) -> int:
        return len(self._until) + len(self._left)

    def came(self, connection: S, now: float) -> None:
        """It is new, or has logged out."""
        self._give(connection, now - self._stood_still + LOGIN_SECONDS)

    def left(self, connection: S) -> None:
        """It has logged in, or is gone. Idempotent."""
        self._until.pop(connection, None)
        self._left.pop(connection, None)

    def judging(self, connection: S, now: float) -> None:
        """It has said who it is."""
        until = self._until.pop(connection, None)
        if until is not None:
            self._left[connection] = until - (now - self._stood_still)

    def refused(self, connection: S, now: float) -> None:
        left = self._left.pop(connection, None)
        if left is not None:
            self._give(connection, now - self._stood_still + left)

    def longest(self) -> S | None:
        """Who has the least time left."""
        self._sweep()
        return self._line[0][2] if self._line else next(iter(self._left), None)

    def overdue(self, now: float) -> list[S]:
        """Whose time is up; they are forgotten. Several times a second."""
        gap = 0.0 if self._looked is None else now - self._looked
        self._looked = now
        if gap > STALL_SECONDS:
            self._stood_still += gap
        found: list[S] = []
        self._sweep()
        while self._line and self._line[0][0] <= now - self._stood_still:
            connection = self._line[0][2]
            found.append(connection)
            del self._until[connection]
            self._sweep()
        return found

    def _give(self, connection: S, until: float) -> None:
        self._until[connection] = until
        self._count += 1
        heappush(self._line, (until, self._count, connection))

    def _sweep(self) -> None:
        while self._line and self._until.get(self._line[0][2]) != self._line[0][0]:
            heappop(self._line)
