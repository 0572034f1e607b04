"""Whether a deliberate fault is found, by whom, after how long, and what the judge says."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.broker import Broker
from tests.chaos.ending import drained
from tests.chaos.planted.faults import Planted
from tests.chaos.run import run
from tests.chaos.stage import Stage, staged
from tests.simulation.history import Violation
from tests.simulation.mutants import Patch, planted
from tests.simulation.world import World
from tests.support.judge import judge

WORLDS = 400
PATIENCE_SECONDS = 25.0
"""How long a message that is still to come may take once all is well: a sound system needs a few seconds."""


@dataclass(frozen=True, slots=True)
class Finding:
    fault: str
    by: str
    seed: int
    seconds: float
    said: str
    """Empty: nobody noticed."""


def by_simulation(fault: Callable[[], list[Patch]]) -> Finding:
    """In the first world that shows it."""
    began = time.monotonic()
    with planted(fault):
        for seed in range(WORLDS):
            try:
                World(seed, renewals=seed % 4 == 3).run()
            except Violation as violation:
                said = " ".join(str(violation).split())
                return Finding(fault.__name__, "simulation", seed, time.monotonic() - began, said)
    return Finding(fault.__name__, "simulation", WORLDS, time.monotonic() - began, "")


async def by_chaos(
    broker: Broker, url: str, folder: Path, fault: Planted, seed: int, seconds: float, say: Callable[[str], None]
) -> Finding:
    """From the first mishap to the first that is wrong beyond repair, or to the end, where something lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    async with staged(broker, url, folder, fault) as stage:
        result = await run(
            stage,
            seed,
            seconds,
            say,
            kinds=fault.kinds,
            end=drained,
            enough=lambda: bool(_beyond_repair(stage)),
            patience_seconds=PATIENCE_SECONDS,
        )
        lost = sorted(result.total.missing | result.verdict.lost)
        said = _beyond_repair(stage) or (f"lost: {len(lost)}, first {lost[0]}" if lost else "")
        return Finding(fault.name, "chaos", seed, stage.timeline.now, said or "; ".join(result.complaints))


def _beyond_repair(stage: Stage) -> str:
    """What no later happening can put right."""
    verdict = judge(stage.timeline)
    for name, found in (
        ("unexpected", sorted(verdict.unexpected)),
        ("reordered", verdict.reordered),
        ("repeated within a session", verdict.repeated_in_session),
        ("repeated although seen named it", verdict.repeated_after_seen),
    ):
        if found:
            return f"{name}: {len(found)}, first {found[0]}"
    return ""
