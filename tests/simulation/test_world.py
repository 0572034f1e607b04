"""A thousand small worlds in which everything goes wrong: no invariant breaks, and everything arrives in the end."""

import pytest

from tests.simulation.world import World

SEEDS = 1000
SEEDS_A_TEST = 50


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_A_TEST))
def test_nothing_is_lost_reordered_or_repeated_whatever_goes_wrong(first: int) -> None:
    for seed in range(first, first + SEEDS_A_TEST):
        world = World(seed, renewals=seed % 4 == 3)

        world.run()

        assert world.history.deliveries > 0, f"seed {seed} delivered nothing"


def test_a_seed_always_tells_the_same_story() -> None:
    first, second = World(17), World(17)

    first.run()
    second.run()

    assert first.steps == second.steps
    assert first.history.deliveries == second.history.deliveries
    assert first.history.confirmed == second.history.confirmed
