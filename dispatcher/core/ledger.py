"""What became of every delivery, and how long it took: plain numbers that only grow, since each message is counted.

The sum that holds between any two facts, over all generations of a dispatcher:
`taken = settled + given_back + cut_off + held`, with `held` counted in the dispatcher's own tables.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

from shared.message import Verdict

WAIT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""For what takes as long as a client and the way to it take."""

AGE_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0, 21600.0, 86400.0, 604800.0, 2592000.0)
"""For what may wait until its user comes back: up to the 30 days that a message is kept."""


class Times:
    """How many took up to `bounds` seconds each, the last count those that took longer, and all their seconds."""

    __slots__ = ("bounds", "counts", "seconds")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Less than nothing, by a publisher's clock that is fast, is nothing."""
        seconds = max(seconds, 0.0)
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.seconds += seconds


@dataclass(slots=True)
class Ledger:
    """`given_back` by a nack, `cut_off` with their channel: the broker has both again.

    `again_` counts what was sent to sessions more than once, each session apart: because the broker delivered it
    again, because its session is new or moved, because its outcome did not come.
    `epoch`: seconds from 1970 to zero of the clock that the core is told; None until the adapter has said so.
    """

    taken: int = 0
    confirmed: int = 0
    refused: int = 0
    unconfirmed: int = 0
    rejected: int = 0
    given_back: int = 0
    cut_off: int = 0
    again_broker: int = 0
    again_session: int = 0
    again_silence: int = 0
    epoch: float | None = None
    waited: Times = field(default_factory=lambda: Times(WAIT_SECONDS))
    queued: Times = field(default_factory=lambda: Times(AGE_SECONDS))
    took: Times = field(default_factory=lambda: Times(AGE_SECONDS))

    @property
    def settled(self) -> int:
        """Acked to the broker: a client confirmed it, or its dead letter is safe."""
        return self.confirmed + self.refused + self.unconfirmed + self.rejected

    def arrived(self, sent_at: float | None, now: float, *, redelivered: bool) -> None:
        """`sent_at`: seconds since 1970 by the publisher's clock, if it said so."""
        self.taken += 1
        if sent_at is not None and self.epoch is not None and not redelivered:
            self.queued.add(now + self.epoch - sent_at)

    def confirmation(self, arrived_at: float, sent_at: float | None, now: float) -> None:
        self.waited.add(now - arrived_at)
        if sent_at is not None and self.epoch is not None:
            self.took.add(now + self.epoch - sent_at)

    def acked(self, verdict: Verdict) -> None:
        match verdict:
            case Verdict.CONFIRMED:
                self.confirmed += 1
            case Verdict.REFUSED:
                self.refused += 1
            case Verdict.UNCONFIRMED:
                self.unconfirmed += 1
            case Verdict.REJECTED:
                self.rejected += 1
