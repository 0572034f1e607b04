"""What a soak says of its samples: the slope of memory, what is left over, and when there is too little to tell."""

from xml.etree import ElementTree as ET

import pytest

from tests.chaos.soak.picture import svg
from tests.chaos.soak.series import BROKER, COUNTED, JUDGED_SECONDS, Sample, left_over, slope_per_hour, too_steep, warm
from tests.chaos.timeline import Mishap


def sample(at: float = 0.0, **given: float) -> Sample:
    """A system at rest, but for what is given: `memory`, `files`, `tasks` of a gateway, or a count at the broker."""
    values = {("gateway 1", what): given.pop(what, 50.0) for what in ("memory", "files", "tasks")}
    values |= {("dispatcher 1", what): 50.0 for what in ("memory", "files", "tasks")}
    values |= {(BROKER, what): given.pop(what.replace(" ", "_"), 10.0) for what in COUNTED}
    assert not given
    return Sample(at, values)


def hours(megabytes_per_hour: float, seconds: float) -> list[Sample]:
    return [sample(at, memory=50 + megabytes_per_hour * at / 3600) for at in range(0, int(seconds) + 1, 10)]


def test_the_slope_is_that_of_the_line_through_all_samples() -> None:
    jagged = [sample(at, memory=50 + 36 * at / 3600 + (1 if at % 20 else -1)) for at in range(0, 7201, 10)]

    assert slope_per_hour(hours(36, 1800), ("gateway 1", "memory")) == pytest.approx(36)
    assert slope_per_hour(jagged, ("gateway 1", "memory")) == pytest.approx(36, rel=0.05)


def test_one_sample_has_no_slope() -> None:
    assert slope_per_hour([sample(1.0)], ("gateway 1", "memory")) == 0.0


def test_what_is_taken_while_it_warms_up_is_not_judged() -> None:
    assert [kept.at for kept in warm([sample(at) for at in (30.0, 40.0, 50.0, 60.0)])] == [40.0, 50.0, 60.0]


def test_memory_that_grows_in_a_long_run_is_too_steep() -> None:
    assert too_steep(hours(60, 3 * JUDGED_SECONDS)) == ["memory of gateway 1: +60.0 MB per hour, more than 12"]
    assert too_steep(hours(2, 3 * JUDGED_SECONDS)) == []


def test_a_short_run_says_nothing_of_memory() -> None:
    assert too_steep(hours(600, JUDGED_SECONDS)) == []


@pytest.mark.parametrize("what", COUNTED)
def test_one_more_of_anything_at_the_broker_is_left_over(what: str) -> None:
    after = sample(**{what.replace(" ", "_"): 11.0})

    assert left_over(sample(), after) == [f"{what} at the broker: 11, 10 before"]


def test_a_consumer_that_lacks_is_no_good_end_either() -> None:
    assert left_over(sample(), sample(consumers=9.0)) == ["consumers at the broker: 9, 10 before"]


@pytest.mark.parametrize("what", ["files", "tasks"])
def test_files_and_tasks_of_our_own_are_left_over_beyond_a_few(what: str) -> None:
    assert left_over(sample(), sample(**{what: 54.0})) == []
    assert left_over(sample(), sample(**{what: 59.0})) == [f"{what} of all gateways: 59, 50 before"]


def test_the_picture_has_a_line_for_each_value_and_a_stripe_for_each_mishap() -> None:
    samples = [sample(at) for at in (10.0, 20.0, 30.0)]

    picture = ET.fromstring(svg("title", samples, [Mishap("network slow", 12.0, 14.0)]))  # noqa: S314 -- its own

    kinds = [element.tag.rpartition("}")[2] for element in picture.iter()]
    assert kinds.count("polyline") == 2 + 2 + 2 + len(COUNTED)
    assert kinds.count("rect") == 1 + 4


def test_the_picture_of_a_soak_without_samples_is_no_error() -> None:
    assert svg("title", [], []).startswith("<svg")
