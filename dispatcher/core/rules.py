"""The numbers that the dispatcher lives by, and the books that outlive a user's stay in its tables."""

from dataclasses import dataclass, field
from itertools import count

from dispatcher.core.ledger import Ledger
from shared.message import Verdict

TAKE_OVER_SECONDS = 0.25
"""How long a new owner waits: what the old one was just releasing comes back last (DESIGN, Dispatcher)."""

HOLD_SECONDS = 600.0
"""Nothing stays unacked for longer: RabbitMQ closes the whole channel after 30 minutes."""

LEASE_SECONDS = 900.0
"""A lease that was not renewed for so long is forgotten; also the x-message-ttl of `sessions.<n>`."""

BUSY_PROBE_SECONDS = 5.0
IDLE_PROBE_SECONDS = 30.0
"""How often an inbox is asked whether it is there, with and without something in flight to it."""

ATTEMPTS_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of the core. `window` in messages, `linger_seconds` after the last session closed."""

    window: int = 32
    max_attempts: int = 5
    linger_seconds: float = 2.0
    hold_seconds: float = HOLD_SECONDS
    lease_seconds: float = LEASE_SECONDS


class Attempts:
    """How often a message timed out at a client; bounded, the least recently counted is forgotten first."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, user: str, message: str) -> None:
        key = (user, message)
        self._counts[key] = self._counts.pop(key, 0) + 1
        if len(self._counts) > ATTEMPTS_KEPT:
            del self._counts[next(iter(self._counts))]

    def count(self, user: str, message: str) -> int:
        return self._counts.get((user, message), 0)

    def forget(self, user: str, message: str) -> None:
        self._counts.pop((user, message), None)


@dataclass(slots=True)
class Books:
    """Shared by all users of one dispatcher: attempts, and what is being recorded before it is acked."""

    attempts: Attempts = field(default_factory=Attempts)
    recording: dict[int, tuple[int, int, str, Verdict]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    _tickets: "count[int]" = field(default_factory=lambda: count(1))

    def ticket(self, partition: int, tag: int, user: str, verdict: Verdict) -> int:
        """A number for one record; its tag is acked when the broker confirmed it."""
        number = next(self._tickets)
        self.recording[number] = (partition, tag, user, verdict)
        return number

    def void(self, partition: int) -> None:
        """The partition's channel is gone, and every tag with it."""
        kept = {n: where for n, where in self.recording.items() if where[0] != partition}
        self.ledger.cut_off += len(self.recording) - len(kept)
        self.recording = kept
