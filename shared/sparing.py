"""How often a line of one kind goes to the log: what many clients or messages can cause must not fill it."""

import time
from collections.abc import Callable

EVERY_SECONDS = 10.0


class Sparing:
    """The first of each kind at once, then at most one in so many seconds. Kinds are a closed set."""

    def __init__(self, every_seconds: float = EVERY_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_seconds = every_seconds
        self._clock = clock
        self._said_at: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def take(self, kind: str) -> int | None:
        """None: leave this one out. Else say it, and how many were left out since the last one."""
        now = self._clock()
        said_at = self._said_at.get(kind)
        if said_at is not None and now - said_at < self._every_seconds:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return None
        self._said_at[kind] = now
        return self._left_out.pop(kind, 0)
