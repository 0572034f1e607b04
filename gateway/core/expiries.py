"""When each token ends: one line for all, so that nobody has a timer of its own."""

from collections.abc import Hashable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

STALE_AT_LEAST = 1000
"""So many entries that mean nothing any more may always be kept."""

S = TypeVar("S", bound=Hashable)


class Expiries(Generic[S]):
    """`now` and `at` are on one clock, the token's."""

    def __init__(self) -> None:
        self._at: dict[S, float] = {}
        self._line: list[tuple[float, int, S]] = []  # the soonest first; some were renewed or have left
        self._count = 0

    def __len__(self) -> int:
        return len(self._at)

    def set(self, session: S, at: float | None) -> None:
        """Its token is another one by now, or the first; None: it does not end."""
        self.left(session)
        if at is not None:
            self._at[session] = at
            self._count += 1
            heappush(self._line, (at, self._count, session))

    def left(self, session: S) -> None:
        """Idempotent."""
        self._at.pop(session, None)
        if len(self._line) > 2 * len(self._at) + STALE_AT_LEAST:
            self._line = [entry for entry in self._line if self._at.get(entry[2]) == entry[0]]
            heapify(self._line)

    def due(self, now: float) -> list[S]:
        """Whose token has ended; they are forgotten."""
        found: list[S] = []
        while self._line and self._line[0][0] <= now:
            at, _, session = heappop(self._line)
            if self._at.get(session) == at:
                del self._at[session]
                found.append(session)
        return found
