"""What a chaos run says about time: how late messages were, how long each mishap was felt, and the picture of both."""

from xml.etree import ElementTree as ET

from tests.chaos.picture import svg
from tests.chaos.timeline import Mishap, Timeline, catch_up
from tests.support.history import Attempted, Received


def told(*lines: tuple[float, Attempted | Received]) -> Timeline:
    timeline = Timeline()
    for moment, happening in lines:
        timeline.append(happening)
        timeline.times[-1] = moment
    return timeline


def test_a_message_is_as_late_as_its_first_arrival() -> None:
    timeline = told(
        (1.0, Attempted("alice", "1")),
        (1.5, Received("phone", "alice", "s", "1")),
        (9.0, Received("phone", "alice", "t", "1")),
    )

    assert timeline.latencies() == [(1.0, 0.5)]


def test_a_mishap_is_felt_until_all_has_come_that_was_published_before_it_was_healed() -> None:
    timeline = told(
        (1.0, Attempted("alice", "1")),
        (4.0, Attempted("alice", "2")),
        (5.0, Received("phone", "alice", "s", "1")),
        (9.0, Received("phone", "alice", "s", "2")),
    )
    mishap = Mishap("gateway killed", began=0.5, healed=3.0)

    catch_up(timeline, [mishap])

    assert mishap.caught_up_seconds == 2.0
    assert mishap.latest_seconds == 4.0


def test_a_mishap_that_nobody_felt_took_no_time() -> None:
    timeline = told((1.0, Attempted("alice", "1")), (1.1, Received("phone", "alice", "s", "1")))
    mishap = Mishap("gateway killed", began=2.0, healed=3.0)

    catch_up(timeline, [mishap])

    assert mishap.caught_up_seconds == 0.0


def test_the_picture_shows_each_message_and_each_kind_of_mishap() -> None:
    mishaps = [
        Mishap("gateway killed", 1.0, 2.0),
        Mishap("broker & disk", 3.0, 4.0),
        Mishap("gateway killed", 5.0, 6.0),
    ]

    picture = ET.fromstring(svg("title", [(1.0, 0.5), (2.0, 0.1)], mishaps, 10.0))  # noqa: S314 -- its own

    kinds = [element.tag.rpartition("}")[2] for element in picture.iter()]
    texts = [element.text for element in picture.iter() if element.text]
    assert kinds.count("circle") == 2
    assert texts.count("gateway killed") == 1
    assert "broker & disk" in texts


def test_the_picture_of_a_run_without_messages_is_no_error() -> None:
    assert svg("title", [], [], 10.0).startswith("<svg")
