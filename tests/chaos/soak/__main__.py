"""Load with churn for a long time; nothing may be left over or grow: `python -m tests.chaos.soak --seconds 1800`."""

import argparse
import asyncio
import sys
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.local.broker import Broker, Kind
from tests.chaos.command import KINDS, complain, playing
from tests.chaos.picture import draw
from tests.chaos.soak.picture import svg
from tests.chaos.soak.run import Soak, soak
from tests.chaos.soak.series import JUDGED_SECONDS, MOST_MB_PER_HOUR, slope_per_hour, warm
from tests.chaos.stage import staged
from tests.support.services import ROOT

SAY_EVERY = 4
"""Samples; where a line cannot change."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800, help="how long things change (default 1800)")
    parser.add_argument("--seed", type=int, default=1, help="what changes, and when (default 1)")
    parser.add_argument("--broker", choices=KINDS, default=Kind.PRIVATE, help="which RabbitMQ (default private)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".run" / "soak", help="logs and picture (.run/soak)")
    options = parser.parse_args()
    if not Path("/proc/self/statm").exists():
        print("memory and files of a process are read from /proc: Linux only")
        return 2
    console = Console()
    console.print(f"seed {options.seed}")
    return playing(
        console,
        options.folder,
        options.broker,
        lambda broker, url: _run(console, broker, url, options.folder, options.seed, options.seconds),
    )


async def _run(console: Console, broker: Broker, url: str, folder: Path, seed: int, seconds: float) -> int:
    asyncio.get_running_loop().set_exception_handler(complain)
    said = 0

    def say(text: str) -> None:
        nonlocal said
        said += 1
        if console.is_terminal:
            live.update(Text(text))
        elif said % SAY_EVERY == 1:
            console.print(text, markup=False, soft_wrap=True)

    async with staged(broker, url, folder) as stage:
        with Live(console=console, refresh_per_second=4) as live:
            done = await soak(stage, seed, seconds, say)
        title = f"restante, {seconds:.0f} s of churn, seed {seed}"
        path = await asyncio.to_thread(draw, svg(title, done.samples, stage.mishaps), folder / f"soak-{seed}")
        _report(console, done, path, stage.services.folder)
    return 0 if done.clean else 1


def _report(console: Console, done: Soak, picture: Path, logs: Path) -> None:
    changes = Table("what changed", "times")
    for name, times in sorted(done.changes.items()):
        changes.add_row(name, str(times))
    console.print(changes)
    judged = warm(done.samples)
    table = Table("whose", "what", "before", "most", "after", "per hour, after the warm-up")
    for place, first in done.before.values.items():
        most = max(sample.values[place] for sample in done.samples)
        unit = " MB" if place[1] == "memory" else ""
        slope = f"{slope_per_hour(judged, place):+.1f}{unit}" if unit else ""
        table.add_row(*place, f"{first:.0f}{unit}", f"{most:.0f}{unit}", f"{done.after.values[place]:.0f}{unit}", slope)
    console.print(table)
    total, verdict = done.total, done.verdict
    console.print(
        f"published {total.published} = confirmed {total.confirmed} + dead-lettered {total.dead_lettered} "
        f"+ expired {total.expired} + removed {total.removed} + queued {total.queued}; lost {len(verdict.lost)}, "
        f"reordered {len(verdict.reordered)}, repeated {len(verdict.repeated_in_session)} within a session, "
        f"{len(verdict.repeated_after_seen)} although seen named it"
    )
    span = judged[-1].at - judged[0].at if judged else 0.0
    how = f"at most {MOST_MB_PER_HOUR:.0f} MB" if span >= JUDGED_SECONDS else "too short a run to judge it"
    console.print(f"{len(done.samples)} samples, slope over the last {span:.0f} s ({how}); {picture}")
    for complaint in (*done.complaints, *verdict.reordered[:9]):
        console.print(complaint, style="red", markup=False)
    if not done.clean:
        console.print(f"logs: {logs}", style="red")
    console.print("clean" if done.clean else "NOT CLEAN", style="green" if done.clean else "bold red")


if __name__ == "__main__":
    sys.exit(main())
