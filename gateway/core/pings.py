"""When each connection is pinged, and when one that did not answer is given up: all in two lines, soonest first.

Everyone is given the same time, so who joins a line has its turn last, and looking costs nothing for those behind.
"""

from collections.abc import Hashable
from math import ceil
from typing import Generic, TypeVar

AT_ONCE = 50
"""How many may always be pinged together."""

LATE_SHARE = 0.25
"""Of the time for an answer: so much later than due may a ping come that has others before it."""

STALL_SECONDS = 1.0
"""A gap between two looks that means that this process, not the clients, was silent."""

S = TypeVar("S", bound=Hashable)


class Pings(Generic[S]):
    """`now` is monotonic seconds."""

    def __init__(self, interval_seconds: float, timeout_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._resting: dict[S, float] = {}  # when it is to be pinged
        self._asked: dict[S, float] = {}  # when it must have answered
        self._looked: float | None = None

    def __len__(self) -> int:
        return len(self._resting) + len(self._asked)

    def rest(self, connection: S, now: float) -> None:
        """It is new, or has answered."""
        self.leave(connection)
        self._resting[connection] = now + self._interval_seconds

    def leave(self, connection: S) -> None:
        """Idempotent."""
        self._resting.pop(connection, None)
        self._asked.pop(connection, None)

    def look(self, now: float) -> tuple[list[S], list[S]]:
        """Whom to ping now, and who has not answered in time and is forgotten: many times a second."""
        gap = 0.0 if self._looked is None else now - self._looked
        self._looked = now
        if gap > STALL_SECONDS:  # what they answered meanwhile is not read yet
            self._asked = {connection: until + gap for connection, until in self._asked.items()}
        silent = _due(self._asked, now, len(self._asked))
        # Those who came at the same moment are pinged one after the other, and so ever after.
        pace = len(self) / (LATE_SHARE * min(self._interval_seconds, self._timeout_seconds))
        pinged = _due(self._resting, now, max(AT_ONCE, ceil(pace * gap)))
        for connection in silent:
            del self._asked[connection]
        for connection in pinged:
            del self._resting[connection]
            self._asked[connection] = now + self._timeout_seconds
        return pinged, silent


def _due(line: dict[S, float], now: float, most: int) -> list[S]:
    found: list[S] = []
    for connection, at in line.items():
        if at > now or len(found) == most:
            break
        found.append(connection)
    return found
