"""One soak: load, churn and a fault now and then; samples all along; then all must be as before, and add up."""

import asyncio
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.chaos.ending import drained
from tests.chaos.soak.churn import CHURN, FAULTS, Change, forget_guests
from tests.chaos.soak.measure import sample, settled
from tests.chaos.soak.series import Sample, left_over, too_steep
from tests.chaos.stage import Stage
from tests.chaos.timeline import Mishap
from tests.support.history import Attempted, Received
from tests.support.judge import Sum, Verdict, add_up, judge

CHURN_PAUSE_SECONDS = (0.5, 2.5)
FAULT_PAUSE_SECONDS = (8.0, 16.0)
SAMPLE_SECONDS = 5.0
PATIENCE_SECONDS = 120.0
PAUSE_SECONDS = 0.5
MOST_AT_ONCE = 4


@dataclass(slots=True)
class Soak:
    """`before` and `after` are without churn; `samples` are all."""

    before: Sample
    after: Sample
    samples: list[Sample]
    changes: Counter[str]
    verdict: Verdict
    total: Sum
    complaints: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return self.verdict.clean and self.total.holds and not self.complaints


async def soak(stage: Stage, seed: int, seconds: float, say: Callable[[str], None]) -> Soak:
    random = Random(seed)
    changes: Counter[str] = Counter()
    complaints: list[str] = []
    samples: list[Sample] = []
    stage.pause_seconds = PAUSE_SECONDS
    stage.timeline.begin()
    async with asyncio.TaskGroup() as group:
        for device in stage.devices:
            group.create_task(stage.publish(device.user), name=f"publisher for {device.user}")
        before = await settled(stage)
        sampling = group.create_task(_sample(stage, samples, changes, say))
        try:
            until = stage.timeline.now + seconds
            await asyncio.gather(
                _change(stage, Random(random.random()), until, CHURN, CHURN_PAUSE_SECONDS, changes, complaints),
                _change(stage, Random(random.random()), until, FAULTS, FAULT_PAUSE_SECONDS, changes, complaints),
            )
            churned = list(samples)
            after = await _as_before(stage, before, changes)
            complaints += left_over(before, after) + too_steep(churned)
            complaints += await drained(stage)
        finally:
            stage.publishing = False
            sampling.cancel()
    return Soak(before, after, samples, changes, judge(stage.timeline), add_up(stage.timeline), complaints)


async def _change(
    stage: Stage,
    random: Random,
    until: float,
    kinds: list[Change],
    pause_seconds: tuple[float, float],
    changes: Counter[str],
    complaints: list[str],
) -> None:
    """Every kind comes once before one comes again; a few at once."""
    bag: list[Change] = []
    under_way: set[asyncio.Task[None]] = set()

    async def one(change: Change, own: Random) -> None:
        name = change.__name__.replace("_", " ")
        changes[name] += 1
        mishap = Mishap(name, stage.timeline.now)
        if change in FAULTS:
            stage.mishaps.append(mishap)
        try:
            await change(stage, own)
        except subprocess.TimeoutExpired:
            changes[f"{name} (too slow)"] += 1  # rabbitmqctl, on a machine that has too much to do
        except Exception as err:  # noqa: BLE001 -- must not end the run, but fails it
            complaints.append(f"{name} failed: {err!r}")
        mishap.healed = stage.timeline.now

    while stage.timeline.now < until:
        bag = bag or random.sample(kinds, len(kinds))
        task = asyncio.create_task(one(bag.pop(), Random(random.random())))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        while len(under_way) >= MOST_AT_ONCE:
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(min(random.uniform(*pause_seconds), max(0.0, until - stage.timeline.now)))
    if under_way:
        await asyncio.wait(under_way)


async def _as_before(stage: Stage, before: Sample, changes: Counter[str]) -> Sample:
    """The first look at which nothing is left over, or the last one. Some things are given up only after a while."""
    deadline = stage.timeline.now + PATIENCE_SECONDS
    while True:
        # A guest leaves while connections break, and is forgotten before that is known: the next owner of the lease
        # makes the queue of one who is there. That is right, and leaves an empty queue.
        changes["queue of a forgotten guest made again"] += await forget_guests(stage)
        now = await sample(stage)
        away = [device.name for device in stage.devices if not device.connected]
        if (not away and not left_over(before, now)) or stage.timeline.now > deadline:
            return now
        await asyncio.sleep(2.0)


async def _sample(stage: Stage, samples: list[Sample], changes: Counter[str], say: Callable[[str], None]) -> None:
    while True:
        samples.append(now := await sample(stage))
        memory = ", ".join(f"{who} {value:.0f}" for (who, what), value in now.values.items() if what == "memory")
        counts = ", ".join(f"{value:.0f} {what}" for what, value in now.counts().items())
        done = stage.timeline.counts
        say(
            f"{now.at:5.0f} s  {done[Attempted]} attempted  {done[Received]} received  {changes.total()} changes  "
            f"MB: {memory}  broker: {counts}"
        )
        await asyncio.sleep(SAMPLE_SECONDS)
