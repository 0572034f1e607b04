"""The simulation bites: every deliberate fault is found within a few hundred worlds."""

from collections.abc import Callable

import pytest

from tests.simulation.history import Violation
from tests.simulation.mutants import FAULTS, Patch, planted
from tests.simulation.world import World

SEEDS = 400


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_simulation_finds_a_dispatcher_or_gateway_that(fault: Callable[[], list[Patch]]) -> None:
    with planted(fault):
        assert any(_breaks(seed) for seed in range(SEEDS)), f"nobody noticed in {SEEDS} worlds"


def _breaks(seed: int) -> bool:
    try:
        World(seed, renewals=seed % 4 == 3).run()
    except Violation:
        return True
    return False
