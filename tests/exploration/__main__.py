"""Explores the small world: `python -m tests.exploration --faults 2` (without a bound on time: hours)."""

import argparse
import gc
import sys
import time

from tests.exploration.search import Exploration
from tests.exploration.wander import wander
from tests.exploration.world import SmallWorld


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=2, help="messages that wait from the start (default 2)")
    parser.add_argument("--coming", type=int, default=1, help="messages that may come at any time (default 1)")
    parser.add_argument("--refuse", type=int, nargs="*", default=[], help="messages that the client refuses, from 1")
    parser.add_argument("--faults", type=int, default=1, help="how many things go wrong (default 1)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long, and say so")
    parser.add_argument("--walks", type=int, default=0, help="not every state: so many random ways to the end")
    options = parser.parse_args()
    gc.set_threshold(20_000, 50, 1000)  # worlds are circles of objects, made and dropped by the thousand
    world = SmallWorld(options.waiting, options.coming, frozenset(options.refuse))
    if options.walks:
        return _wander(world, options.faults, options.walks)
    began = time.monotonic()
    exploration = Exploration(
        world, options.faults, most_seconds=options.seconds, say=lambda text: print(f"\r{text} ", end="", flush=True)
    )
    found = exploration.run()
    rate = sum(found.states) / (time.monotonic() - began)
    by_faults = ", ".join(f"{count:,} with {faults}" for faults, count in enumerate(found.states))
    print(f"\r{sum(found.states):,} states ({by_faults} faults), {found.steps:,} steps, {rate:,.0f} states a second")
    if found.violation is not None:
        print(*(" ".join(map(str, event)) for event in found.trace), found.violation, sep="\n")
        return 1
    print("every state within the bounds: no violation" if found.complete else "stopped early: no violation so far")
    return 0


def _wander(world: SmallWorld, faults: int, walks: int) -> int:
    found = wander(world, faults, walks)
    print(f"{found.ends:,} ways to the end, with {faults} faults at most, {found.steps:,} steps")
    if found.violation is None:
        print("no violation")
        return 0
    print(*(" ".join(map(str, event)) for event in found.trace), found.violation, sep="\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
