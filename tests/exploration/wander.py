"""Beyond what can be visited state by state: random ways through the small world, with more faults."""

from random import Random

from tests.exploration.choices import events, faults
from tests.exploration.frozen import freeze, thaw
from tests.exploration.link import Item
from tests.exploration.search import Found
from tests.exploration.world import SmallWorld
from tests.simulation.history import Violation

FAULT_CHANCE = 0.08
MOST_STEPS = 2000


def wander(start: SmallWorld, most_faults: int, walks: int, first_seed: int = 0) -> Found:
    """Each way is taken to its end. `complete` says nothing here."""
    found = Found(states=[])
    frozen = freeze(start)
    for seed in range(first_seed, first_seed + walks):
        trace: list[Item] = []
        try:
            _walk(thaw(frozen), Random(seed), most_faults, trace)
        except Violation as violation:
            found.violation, found.trace = f"walk {seed}: {violation}", trace
            return found
        finally:
            found.steps += len(trace)
        found.ends += 1
    return found


def _walk(world: SmallWorld, random: Random, faults_left: int, trace: list[Item]) -> None:
    while following := events(world):
        if faults_left and random.random() < FAULT_CHANCE:
            faults_left -= 1
            following = faults(world)
        event = random.choice(following)
        trace.append(event)
        world.do(event)
        if len(trace) > MOST_STEPS:
            raise Violation("I7: it does not come to an end")
