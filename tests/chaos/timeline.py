"""A history that knows when each thing happened, and what went wrong meanwhile."""

import time
from collections import Counter
from dataclasses import dataclass, field

from tests.support.history import Attempted, Happening, Received

JUST_BEFORE_SECONDS = 0.5


class Timeline(list[Happening]):
    """A history; `times` has the moment of each happening, in seconds since the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()
        self.times: list[float] = []
        self.counts: Counter[type[Happening]] = Counter()

    @property
    def now(self) -> float:
        return time.monotonic() - self.began

    def begin(self) -> None:
        """From here on the time counts; what happened before, happened at its beginning."""
        self.began = time.monotonic()
        self.times = [0.0] * len(self)

    def append(self, happening: Happening) -> None:
        self.times.append(self.now)
        self.counts[type(happening)] += 1
        super().append(happening)

    def latencies(self) -> list[tuple[float, float]]:
        """For each message that came: when it was first attempted, and how long it took to come first."""
        attempted: dict[tuple[str, str], float] = {}
        came: dict[tuple[str, str], float] = {}
        for moment, happening in zip(self.times, self, strict=True):
            match happening:
                case Attempted(user, message):
                    attempted.setdefault((user, message), moment)
                case Received(user=user, message=message):
                    came.setdefault((user, message), moment)
        return [(attempted[place], moment - attempted[place]) for place, moment in came.items() if place in attempted]


@dataclass(slots=True)
class Mishap:
    """One thing that went wrong: from when until when, on the timeline's clock. `healed` is 0 while it lasts."""

    kind: str
    began: float
    healed: float = 0.0
    caught_up_seconds: float = field(default=0.0)
    """From the healing until all that had been published by then had come."""
    latest_seconds: float = field(default=0.0)
    """How late the latest of those messages came that were published while it lasted, or just before."""


def catch_up(timeline: Timeline, mishaps: list[Mishap]) -> None:
    """Says of each mishap how long it took afterwards. One that others overlap is blamed for them too."""
    latencies = timeline.latencies()
    for mishap in mishaps:
        ends = [start + late for start, late in latencies if start <= mishap.healed]
        mishap.caught_up_seconds = max(0.0, max(ends, default=0.0) - mishap.healed)
        felt = [late for start, late in latencies if mishap.began - JUST_BEFORE_SECONDS <= start <= mishap.healed]
        mishap.latest_seconds = max(felt, default=0.0)
