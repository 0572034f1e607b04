"""No state that a small world can reach breaks an invariant or has the end out of reach; and faults are found."""

import gc
from collections.abc import Callable, Iterator

import pytest

from tests.exploration.search import Exploration
from tests.exploration.wander import wander
from tests.exploration.world import SmallWorld
from tests.simulation import mutants
from tests.simulation.mutants import Patch, planted


@pytest.fixture(autouse=True)
def seldom_collected() -> Iterator[None]:
    """Worlds are circles of objects, made and dropped by the thousand."""
    before = gc.get_threshold()
    gc.set_threshold(20_000, 50, 1000)
    yield
    gc.set_threshold(*before)


def test_no_interleaving_of_three_messages_breaks_an_invariant() -> None:
    found = Exploration(SmallWorld(waiting=1, coming=2), faults=0).run()

    assert found.violation is None, found
    assert found.complete
    assert found.states[0] > 100


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("refused", [frozenset[int](), frozenset({1})], ids=["confirmed", "refused"])
def test_no_interleaving_with_one_fault_anywhere_breaks_an_invariant(refused: frozenset[int]) -> None:
    found = Exploration(SmallWorld(waiting=1, refused=refused), faults=1).run()

    assert found.violation is None, found
    assert found.complete
    assert found.states[1] > 5_000


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_random_way_with_three_messages_and_three_faults_breaks_an_invariant() -> None:
    found = wander(SmallWorld(waiting=2, coming=1, refused=frozenset({2})), most_faults=3, walks=3000)

    assert found.violation is None, found
    assert found.ends == 3000


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "fault",
    [
        mutants.acks_before_the_client_confirms,
        mutants.has_no_ring,
        mutants.emits_again_what_is_in_flight,
        mutants.does_not_send_again_what_is_in_flight,
        mutants.ignores_a_returned_batch,
        mutants.does_not_announce_anew_after_a_reconnect,
    ],
    ids=lambda fault: fault.__name__,
)
def test_the_exploration_finds_a_dispatcher_or_gateway_that(fault: Callable[[], list[Patch]]) -> None:
    with planted(fault):
        found = Exploration(SmallWorld(waiting=1), faults=1).run()

    assert found.violation is not None, f"nobody noticed in {sum(found.states)} states"
