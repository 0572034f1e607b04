"""A line of one kind is said at once, then seldom, and how many were left out is said with the next."""

from shared.sparing import Sparing


def test_the_first_of_each_kind_is_said_and_the_next_ones_are_counted_until_it_is_time() -> None:
    now = 100.0
    sparing = Sparing(10.0, lambda: now)

    assert [sparing.take("refused"), sparing.take("refused"), sparing.take("refused")] == [0, None, None]
    assert sparing.take("bad_body") == 0
    now = 109.9
    assert sparing.take("refused") is None
    now = 110.0
    assert sparing.take("refused") == 3
    now = 120.0
    assert sparing.take("refused") == 0
