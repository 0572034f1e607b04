"""Runs the simulated world: `python -m tests.simulation.run --steps 1000000` (or `--seeds 1000`, `--seed 17`)."""

import argparse
import sys
import time

from tests.simulation.history import Violation
from tests.simulation.world import World


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, help="stop after so many steps")
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds to try (default 1000)")
    parser.add_argument("--seed", type=int, help="run this seed only")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    if options.seed is not None:
        seeds = range(options.seed, options.seed + 1)
    elif options.steps is not None:
        seeds = range(options.first, sys.maxsize)
    steps = deliveries = messages = done = 0
    began = time.monotonic()
    for seed in seeds:
        world = World(seed, renewals=seed % 4 == 3)
        try:
            world.run()
        except Violation as violation:
            print(f"\nseed {seed}, at {world.now:.3f} s, step {world.steps}: {violation}")
            return 1
        done += 1
        steps += world.steps
        deliveries += world.history.deliveries
        messages += len(world.history.posts)
        if done % 20 == 0:
            rate = steps / (time.monotonic() - began)
            print(f"\r{done} seeds, {steps} steps, {rate:,.0f} a second ", end="", flush=True)
        if options.steps is not None and steps >= options.steps:
            break
    print(f"\r{done} seeds, {steps} steps, {messages} messages, {deliveries} deliveries: no violation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
