"""What came to the clients of one process: counted, timed, and each message of a user held to its number."""

import time
from array import array
from dataclasses import dataclass, field

from tests.bench.cpu import cpu_seconds
from tests.bench.load.bodies import FILL, KEY, NUMBER, NUMBER_BASE, TIME, TIME_BASE, WHOLE


@dataclass(slots=True)
class Mark:
    """What the clock and the processes showed when so many messages had come."""

    count: int
    at: float
    cpu_seconds: dict[str, float]


@dataclass(slots=True)
class Tally:
    """`watched`: the pids whose CPU is noted at each of `marks`, counts that rise."""

    watched: dict[str, int] = field(default_factory=dict)
    marks: list[int] = field(default_factory=list)
    online: int = 0
    lost: int = 0
    timeouts: int = 0
    refused: int = 0
    count: int = 0
    repeated: int = 0
    skipped: int = 0
    damaged: int = 0
    latencies_us: "array[int]" = field(default_factory=lambda: array("q"))
    noted: list[Mark] = field(default_factory=list)

    def look(self) -> None:
        """After each read: are we past the next mark?"""
        while len(self.noted) < len(self.marks) and self.count >= self.marks[len(self.noted)]:
            spent = {name: cpu_seconds(pid) for name, pid in self.watched.items()}
            self.noted.append(Mark(self.count, time.monotonic(), spent))


class Mailbox:
    """One user: the number that must come next, whatever connection it comes by."""

    __slots__ = ("_tally", "expected", "last_at", "online_at")

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.expected = NUMBER_BASE
        self.online_at = 0.0
        self.last_at = 0.0

    def take(self, text: bytes, start: int, end: int, now: int) -> None:
        """A message stands somewhere in `text[start:end]`."""
        tally = self._tally
        at = text.find(KEY, start, end)
        tally.count += 1
        if at < 0 or text[at + WHOLE.start : at + WHOLE.stop] != FILL:
            tally.damaged += 1
            return
        number = int(text[at + NUMBER.start : at + NUMBER.stop])
        tally.latencies_us.append(now - int(text[at + TIME.start : at + TIME.stop]))
        if number == self.expected:
            self.expected = number + 1
        elif number < self.expected:
            tally.repeated += 1
        else:
            tally.skipped += number - self.expected
            self.expected = number + 1
        self.last_at = (now - TIME_BASE) / 1e6
