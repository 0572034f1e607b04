"""One chaos run: load, mishaps from a seed, alone and mixed, then the end and the judgement."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol, TypeVar

from tests.chaos.device import Device
from tests.chaos.ending import PATIENCE_SECONDS
from tests.chaos.timeline import Mishap, Timeline, catch_up
from tests.support.history import Attempted, Confirmed, Held, Received
from tests.support.judge import Sum, Verdict, add_up, judge

MOST_AT_ONCE = 3
SAY_SECONDS = 0.5
ALONE_PAUSE_SECONDS = 6.0


class Ground(Protocol):
    """What a run needs of what it plays on."""

    timeline: Timeline
    devices: list[Device]
    mishaps: list[Mishap]
    publishing: bool

    async def publish(self, user: str) -> None: ...


G = TypeVar("G", bound=Ground)
Kinds = Sequence[Callable[[G, Random], Awaitable[None]]]


@dataclass(slots=True)
class Result:
    verdict: Verdict
    total: Sum
    mishaps: list[Mishap]
    complaints: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return self.verdict.clean and self.clean_but_for_order

    @property
    def clean_but_for_order(self) -> bool:
        """In a cluster, order is not promised for the moment of a take-over."""
        return replace(self.verdict, reordered=()).clean and self.total.holds and not self.complaints


async def run(
    stage: G,
    seed: int,
    seconds: float,
    say: Callable[[str], None],
    *,
    kinds: Kinds[G],
    end: Callable[[G, float], Awaitable[list[str]]],
    enough: Callable[[], bool] = lambda: False,
    patience_seconds: float = PATIENCE_SECONDS,
    alone: bool = False,
) -> Result:
    """Every kind of mishap comes once before one comes again, some of them alone or all.

    `end` heals and waits for a good end, which nobody does once there is `enough`; it says what was not good.
    """
    random = Random(seed)
    complaints: list[str] = []
    stage.timeline.begin()
    async with asyncio.TaskGroup() as group:
        for device in stage.devices:
            group.create_task(stage.publish(device.user), name=f"publisher for {device.user}")
        telling = group.create_task(_tell(stage, say))
        try:
            await _break(stage, random, seconds, complaints, kinds, enough, alone)
            if not enough():
                complaints += await end(stage, patience_seconds)
        finally:
            stage.publishing = False
            telling.cancel()
    catch_up(stage.timeline, stage.mishaps)
    return Result(judge(stage.timeline), add_up(stage.timeline), stage.mishaps, complaints)


async def _break(
    stage: G,
    random: Random,
    seconds: float,
    complaints: list[str],
    kinds: Kinds[G],
    enough: Callable[[], bool],
    always_alone: bool,
) -> None:
    bag: list[Callable[[G, Random], Awaitable[None]]] = []
    under_way: set[asyncio.Task[None]] = set()
    while stage.timeline.now < seconds and not enough():
        if not bag:
            bag = random.sample(kinds, len(kinds))
        task = asyncio.create_task(_one(stage, bag.pop(), Random(random.random()), complaints))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        alone = random.random() < 0.5 or always_alone
        while under_way and (alone or len(under_way) >= MOST_AT_ONCE):
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(ALONE_PAUSE_SECONDS if always_alone else random.uniform(0.2, 2.0))
    if under_way:
        await asyncio.wait(under_way)


async def _one(stage: G, broken: Callable[[G, Random], Awaitable[None]], random: Random, complaints: list[str]) -> None:
    mishap = Mishap(broken.__name__.replace("_", " "), stage.timeline.now)
    stage.mishaps.append(mishap)
    try:
        await broken(stage, random)
    except subprocess.TimeoutExpired:
        mishap.kind += " (too slow)"  # rabbitmqctl, on a machine that has too much to do
    except Exception as err:  # noqa: BLE001 -- a mishap that fails must not end the run, but fails it
        complaints.append(f"{mishap.kind} failed: {err!r}")
    mishap.healed = stage.timeline.now


async def _tell(stage: Ground, say: Callable[[str], None]) -> None:
    while True:
        counts = stage.timeline.counts
        now = ", ".join(mishap.kind for mishap in stage.mishaps if not mishap.healed)
        online = sum(device.connected for device in stage.devices)
        say(
            f"{stage.timeline.now:5.0f} s  {counts[Attempted]} attempted  {counts[Held]} held  "
            f"{counts[Received]} received  {counts[Confirmed]} confirmed  "
            f"{online}/{len(stage.devices)} online  {len(stage.mishaps)} mishaps  {now}"
        )
        await asyncio.sleep(SAY_SECONDS)
