"""What a chaos run shows: a line that changes meanwhile, tables at its end, and a picture."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tests.chaos.picture import draw, svg
from tests.chaos.run import Ground, Result

SAY_SECONDS = 10


class Say(Protocol):
    def __call__(self, text: str, /) -> None: ...


@contextmanager
def saying(console: Console) -> Iterator[Say]:
    """One line that changes; where it could not, a line now and then."""
    with Live(console=console, refresh_per_second=4) as live:

        def say(text: str) -> None:
            if console.is_terminal:
                live.update(Text(text))
            elif int(float(text.split(maxsplit=1)[0])) % SAY_SECONDS == 0:
                console.print(text, markup=False, soft_wrap=True)

        yield say


async def pictured(ground: Ground, title: str, file: Path) -> Path:
    drawn = svg(title, ground.timeline.latencies(), ground.mishaps, ground.timeline.now)
    return await asyncio.to_thread(draw, drawn, file)


def report(console: Console, result: Result, *, clean: bool, picture: Path, logs: Path) -> None:
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
    if not clean:
        for line in (*sorted(total.missing)[:9], *verdict.reordered[:9], *verdict.repeated_in_session[:9]):
            console.print(str(line), markup=False)
        console.print(f"logs: {logs}", style="red")
    console.print("clean" if clean else "NOT CLEAN", style="green" if clean else "bold red")
