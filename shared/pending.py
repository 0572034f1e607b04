"""What somebody was sent and has not answered, in order, and since when the oldest of it waits.

The clock starts anew whenever the oldest is answered: a client that works through its window slowly is
not silent, one that skips a message is. Both services keep their deadlines with it.
"""

from collections.abc import Iterator


class Pending:
    """Ids in the order in which they were sent. `since` (seconds) is meaningful while it is not empty."""

    __slots__ = ("_ids", "since")

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}
        self.since = 0.0

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, message: str) -> bool:
        return message in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def add(self, message: str, now: float) -> None:
        """Idempotent; an id that is there keeps its place."""
        if not self._ids:
            self.since = now
        self._ids[message] = None

    def discard(self, message: str, now: float) -> None:
        """Forgets an id, whether it is there or not."""
        if message not in self._ids:
            return
        if message == self.oldest:
            self.since = now
        del self._ids[message]

    def clear(self) -> None:
        self._ids.clear()

    @property
    def oldest(self) -> str | None:
        return next(iter(self._ids), None)
