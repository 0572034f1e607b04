"""When a fast lane is taken."""

from copy import copy
from importlib.metadata import version

import pytest
from structlog.testing import capture_logs

from shared import sieve
from shared.lanes import PLAIN, FastLane


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PLAIN, raising=False)


def test_the_fast_lane_is_taken_with_the_versions_that_it_was_proven_with() -> None:
    with capture_logs() as said:
        assert FastLane("deliveries", {"aiormq": version("aiormq")}).taken
    assert not said


def test_the_libraries_here_are_those_that_deliveries_were_proven_with() -> None:
    """When this fails, hold the lane to the new ones (tests/properties/test_lanes.py), then name their versions."""
    lane = copy(sieve.LANE)
    lane.__dict__.pop("taken", None)  # as this process may have been asked before

    assert lane.taken


@pytest.mark.parametrize("proven", [{"aiormq": "0.1."}, {"no-such-package": "1."}])
def test_with_other_versions_the_slow_lane_is_taken_and_that_is_said_once(proven: dict[str, str]) -> None:
    lane = FastLane("deliveries", proven)

    with capture_logs() as said:
        assert not lane.taken
        assert not lane.taken

    assert [(line["log_level"], line["lane"]) for line in said] == [("warning", "deliveries")]


def test_with_the_right_versions_but_other_internals_the_slow_lane_is_taken() -> None:
    with capture_logs() as said:
        assert not FastLane("deliveries", {}, intact=lambda: False).taken
    assert said


def test_whoever_wants_the_plain_path_gets_it_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PLAIN, "plain")

    with capture_logs() as said:
        assert not FastLane("deliveries", {}).taken

    assert not said
