"""What the samples of a soak say: how steep memory grew, what is left that was not there before, and the verdict.

The rules: once the churn is over, the broker must hold for us exactly what it held before it (connections, channels,
consumers, queues), and gateways and dispatchers, each kind together, no more files and tasks than before but for a
few that are on their way. In a run that is long enough to tell, no process of ours grows faster than a limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

BROKER = "broker"
TEST = "clients and publishers"
"""The process of the run itself: it remembers everything, so nobody judges it."""

COUNTED = ("connections", "channels", "consumers", "durable queues", "exclusive queues")
SLACK = {"files": 4, "tasks": 8}
WARM_UP_SHARE = 1 / 3
JUDGED_SECONDS = 600.0
"""A slope over less than that, after the warm-up, says more about the allocator than about a leak."""

MOST_MB_PER_HOUR = 12.0

Place = tuple[str, str]
"""Whose value it is, and which."""


@dataclass(frozen=True, slots=True)
class Sample:
    at: float
    """Seconds since the run began."""
    values: dict[Place, float]

    def counts(self) -> dict[str, float]:
        return {what: self.values[BROKER, what] for what in COUNTED}

    def of_kind(self, kind: str, what: str) -> float:
        """Over all processes of a kind: clients move between them."""
        return sum(value for (who, which), value in self.values.items() if which == what and who.startswith(kind))


def warm(samples: Sequence[Sample]) -> list[Sample]:
    """Those after the warm-up, in which caches and rings fill."""
    if not samples:
        return []
    first, last = samples[0].at, samples[-1].at
    return [sample for sample in samples if sample.at >= first + (last - first) * WARM_UP_SHARE]


def slope_per_hour(samples: Sequence[Sample], place: Place) -> float:
    """By least squares; 0 for less than two samples."""
    points = [(sample.at / 3600.0, sample.values[place]) for sample in samples if place in sample.values]
    if len(points) < 2:
        return 0.0
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


def left_over(before: Sample, after: Sample) -> list[str]:
    """What is there after the churn that was not there before, or lacks."""
    said = [
        f"{what} at the broker: {now:.0f}, {then:.0f} before"
        for what, now in after.counts().items()
        if now != (then := before.counts()[what])
    ]
    for kind in ("gateway", "dispatcher"):
        for what, slack in SLACK.items():
            then, now = before.of_kind(kind, what), after.of_kind(kind, what)
            if now > then + slack:
                said.append(f"{what} of all {kind}s: {now:.0f}, {then:.0f} before")
    return said


def too_steep(samples: Sequence[Sample]) -> list[str]:
    """Whose memory grew too fast; nobody in a run that is too short to tell."""
    judged = warm(samples)
    if not judged or judged[-1].at - judged[0].at < JUDGED_SECONDS:
        return []
    return [
        f"memory of {who}: {slope:+.1f} MB per hour, more than {MOST_MB_PER_HOUR:.0f}"
        for who, what in judged[0].values
        if what == "memory" and who not in (TEST, BROKER)
        if (slope := slope_per_hour(judged, (who, what))) > MOST_MB_PER_HOUR
    ]
