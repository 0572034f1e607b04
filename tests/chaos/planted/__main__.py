"""Puts deliberate faults into the code, one at a time, and shows who finds each: `python -m tests.chaos.planted`.

First the same is done to the code as it is: only if nobody finds fault with that does the rest show anything.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.broker import Broker, Kind
from tests.chaos.command import KINDS, complain, playing
from tests.chaos.planted.faults import CONTROL, PLANTED, Planted
from tests.chaos.planted.found import Finding, by_chaos, by_simulation
from tests.simulation.mutants import FAULTS
from tests.support.services import ROOT

UNPLAYED = "the system did not come up"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40, help="of mishaps for each fault (default 40)")
    parser.add_argument("--seed", type=int, default=1, help="which mishaps come, and when (default 1)")
    parser.add_argument("--tries", type=int, default=3, help="with the next seeds, while nobody noticed (default 3)")
    parser.add_argument("--most-minutes", type=float, default=40, help="no fault is begun later than this (default 40)")
    parser.add_argument("--broker", choices=KINDS, default=Kind.PRIVATE, help="which RabbitMQ (default private)")
    parser.add_argument("--folder", type=Path, default=ROOT / ".run" / "planted", help="logs (default .run/planted)")
    parser.add_argument("--only", choices=("chaos", "simulation"), help="one of both")
    parser.add_argument("faults", nargs="*", metavar="FAULT", help="some of them, by name (default all)")
    options = parser.parse_args()
    console = Console()
    findings: list[Finding] = []
    if options.only != "chaos":
        wanted = [fault for fault in FAULTS if not options.faults or fault.__name__ in options.faults]
        for simulated in wanted:
            findings.append(by_simulation(simulated))
            _say(console, findings[-1])
    clean = True
    if options.only != "simulation":
        clean = _chaos(console, options, findings)
    _report(console, findings)
    return 0 if clean and findings and all(finding.said for finding in findings) else 1


def _chaos(console: Console, options: argparse.Namespace, findings: list[Finding]) -> bool:
    """Whether the control run was clean, so that the findings mean something."""
    until = time.monotonic() + 60 * options.most_minutes
    control = _play(console, options, CONTROL, options.seed, options.seconds * 2)
    if control.said:
        console.print(f"NOT CLEAN WITHOUT A FAULT, so nothing is shown: {control.said}", style="red", markup=False)
        return False
    console.print(f"chaos: without a fault: clean (seed {control.seed}, {control.seconds:.1f} s)")
    for fault in [fault for name, fault in PLANTED.items() if not options.faults or name in options.faults]:
        finding = Finding(fault.name, "chaos", options.seed, 0.0, "")
        for seed in range(options.seed, options.seed + options.tries):
            if time.monotonic() > until or finding.said:
                break
            finding = _play(console, options, fault, seed, options.seconds)
        findings.append(finding)
        _say(console, finding)
    return True


def _play(console: Console, options: argparse.Namespace, fault: Planted, seed: int, seconds: float) -> Finding:
    """A broker for each: what a fault left there must not be blamed on the next one."""
    folder, found = options.folder / fault.name, list[Finding]()

    def play(broker: Broker, url: str) -> Coroutine[Any, Any, int]:
        return _one(console, broker, url, fault, folder, seed, seconds, found)

    playing(console, options.folder, options.broker, play)
    return found[0] if found else Finding(fault.name, "chaos", seed, 0.0, UNPLAYED if fault is CONTROL else "")


async def _one(
    console: Console,
    broker: Broker,
    url: str,
    fault: Planted,
    folder: Path,
    seed: int,
    seconds: float,
    found: list[Finding],
) -> int:
    asyncio.get_running_loop().set_exception_handler(complain)
    try:
        found.append(await by_chaos(broker, url, folder, fault, seed, seconds, lambda text: None))
    except AssertionError as err:  # as on a machine that has too much to do: nothing was shown
        console.print(f"{fault.name}: {UNPLAYED}: {err}", markup=False)
    return 0


def _say(console: Console, finding: Finding) -> None:
    said = finding.said or "NOBODY NOTICED"
    line = f"{finding.by}: {finding.fault}: {said} (seed {finding.seed}, {finding.seconds:.1f} s)"
    console.print(line, markup=False, soft_wrap=True)


def _report(console: Console, findings: list[Finding]) -> None:
    table = Table("deliberate fault", "found by", "seed", "after", "what the judge said")
    for finding in findings:
        said = finding.said or "nobody noticed"
        table.add_row(
            finding.fault.replace("_", " "), finding.by, str(finding.seed), f"{finding.seconds:.1f} s", said[:160]
        )
    console.print(table)
    found = sum(bool(finding.said) for finding in findings)
    console.print(f"{found} of {len(findings)} found")


if __name__ == "__main__":
    sys.exit(main())
