"""The deliberate faults for the real system fit the code as it is."""

import pytest

from tests.chaos.planted.faults import PLANTED, Planted, knows_no_tag_below_one


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_the_code_has_the_place_where_each_fault_is_put(planted: Planted) -> None:
    for owner, name, _ in (*knows_no_tag_below_one(), *planted.fault()):
        assert hasattr(owner, name)
