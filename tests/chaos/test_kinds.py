"""Which kinds of mishap come is said by name."""

import pytest

from tests.chaos.kinds import GROUPS, named
from tests.chaos.mishaps import BREAKS, gateway_killed, reconnect_storm


def test_a_seed_alone_draws_from_the_usual_kinds() -> None:
    assert named("usual") == BREAKS


def test_single_kinds_and_groups_can_be_mixed_and_none_comes_twice() -> None:
    kinds = named("gateway-killed,reconnect-storm,gateway-killed,forgetful")

    assert kinds == [gateway_killed, reconnect_storm, *GROUPS["forgetful"]]


def test_all_are_all() -> None:
    assert {kind for group in GROUPS.values() for kind in group} == set(named("all"))


def test_who_mistypes_a_kind_is_told_which_there_are() -> None:
    with pytest.raises(ValueError, match=r"called gateway-kiled; there are usual, .*gateway-killed"):
        named("gateway-kiled")
