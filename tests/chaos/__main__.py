"""Breaks a running system in every way there is, and judges: `python -m tests.chaos --seconds 180 --seed 7`."""

import argparse
import asyncio
import secrets
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from deploy.local.broker import Broker, Kind
from tests.chaos.command import KINDS, complain, playing
from tests.chaos.picture import draw, svg
from tests.chaos.run import Result, run
from tests.chaos.stage import Stage, staged
from tests.support.services import ROOT

SAY_SECONDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="how long things go wrong (default 180)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="which mishaps come, and when")
    parser.add_argument("--alone", action="store_true", help="never two at once: how long each is felt by itself")
    parser.add_argument("--broker", choices=KINDS, default=Kind.PRIVATE, help="which RabbitMQ (default private)")
    parser.add_argument("--folder", type=Path, help="where logs and the picture go (default .run/chaos)")
    options = parser.parse_args()
    console = Console()
    console.print(f"seed {options.seed}")
    folder = options.folder or ROOT / ".run" / "chaos"
    return playing(
        console,
        folder,
        options.broker,
        lambda broker, url: _run(console, broker, url, folder, options.seed, options.seconds, options.alone),
    )


async def _run(console: Console, broker: Broker, url: str, folder: Path, seed: int, seconds: float, alone: bool) -> int:
    asyncio.get_running_loop().set_exception_handler(complain)
    async with staged(broker, url, folder) as stage:
        with Live(console=console, refresh_per_second=4) as live:
            result = await run(stage, seed, seconds, lambda text: _say(console, live, text), alone=alone)
        title = f"restante, chaos with seed {seed}: how late each message came, and what went wrong"
        picture = svg(title, stage.timeline.latencies(), stage.mishaps, stage.timeline.now)
        path = await asyncio.to_thread(draw, picture, folder / f"chaos-{seed}")
        _report(console, stage, result, path)
    return 0 if result.clean else 1


def _say(console: Console, live: Live, text: str) -> None:
    """One line that changes; where it could not, a line now and then."""
    if console.is_terminal:
        live.update(Text(text))
    elif int(float(text.split(maxsplit=1)[0])) % SAY_SECONDS == 0:
        console.print(text, markup=False, soft_wrap=True)


def _report(console: Console, stage: Stage, result: Result, picture: Path) -> None:
    mishaps = Table("what went wrong", "times", "latest message meanwhile", "longest from healing to caught up")
    for kind, count in sorted(Counter(mishap.kind for mishap in result.mishaps).items()):
        latest = max(mishap.latest_seconds for mishap in result.mishaps if mishap.kind == kind)
        longest = max(mishap.caught_up_seconds for mishap in result.mishaps if mishap.kind == kind)
        mishaps.add_row(kind, str(count), f"{latest:.1f} s late", f"{longest:.1f} s")
    console.print(mishaps)
    total, verdict = result.total, result.verdict
    sums = Table("what became of the messages", "count")
    for name, count in {
        "published (held by the broker)": total.published,
        "= confirmed by a client": total.confirmed,
        "+ dead-lettered": total.dead_lettered,
        "+ expired": total.expired,
        "+ removed by the operator": total.removed,
        "+ still queued": total.queued,
        "missing": len(total.missing),
        "lost": len(verdict.lost),
        "unexpected": len(verdict.unexpected),
        "reordered": len(verdict.reordered),
        "repeated within a session": len(verdict.repeated_in_session),
        "repeated although seen named it": len(verdict.repeated_after_seen),
        "repeated to a client without seen (allowed)": len(verdict.repeated_without_seen),
    }.items():
        sums.add_row(name, str(count))
    console.print(sums)
    longest = max((mishap.caught_up_seconds for mishap in result.mishaps), default=0.0)
    console.print(f"{len(result.mishaps)} mishaps, longest from healing to caught up {longest:.1f} s; {picture}")
    for complaint in result.complaints:
        console.print(complaint, style="red", markup=False)
    if not result.clean:
        for line in (*sorted(total.missing)[:9], *verdict.reordered[:9], *verdict.repeated_in_session[:9]):
            console.print(str(line), markup=False)
        console.print(f"logs: {stage.services.folder}", style="red")
    console.print("clean" if result.clean else "NOT CLEAN", style="green" if result.clean else "bold red")


if __name__ == "__main__":
    sys.exit(main())
