"""What another session settled: not emitted yet, it is dropped; emitted, it stays until its callback."""

from shared.wire import OutcomeKind
from tests.support.gateway_core import Desk, Emit, report

CONFIRMED = OutcomeKind.CONFIRMED


def test_what_was_settled_before_it_was_emitted_is_never_sent() -> None:
    desk = Desk("s1")
    desk.forward("m1", "m2", "m3", window=1)
    desk.take()

    desk.settle("m2", "s1")
    desk.confirm("s1", "m1")

    assert desk.take() == [report("s1", "m1", CONFIRMED), Emit("s1", "m3")]


def test_what_was_settled_after_it_was_emitted_has_no_deadline_any_more() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1")
    desk.settle("m1", "s1")
    desk.take()

    desk.wait(120.0)

    assert desk.take() == []


def test_the_callback_of_what_was_settled_is_told_to_nobody_but_remembered() -> None:
    desk = Desk("s1")
    desk.forward("m1")
    desk.settle("m1", "s1")
    desk.take()

    desk.confirm("s1", "m1", b"7")
    assert desk.take() == []
    desk.forward("m1", reply="d2")

    assert desk.take() == [report("s1", "m1", CONFIRMED, value=b"7", reply="d2")]


def test_what_was_settled_keeps_its_place_in_the_window_until_its_callback() -> None:
    desk = Desk("s1")
    desk.forward("m1", "m2", window=1)
    desk.take()

    desk.settle("m1", "s1")
    assert desk.take() == []
    desk.confirm("s1", "m1")

    assert desk.take() == [Emit("s1", "m2")]


def test_what_was_settled_and_is_forwarded_again_is_owed_again_but_not_sent_again() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", reply="d1")
    desk.settle("m1", "s1")
    desk.wait(20.0)
    desk.take()

    desk.forward("m1", reply="d2")
    desk.wait(29.75)
    assert desk.take() == []
    desk.confirm("s1", "m1")

    assert desk.take() == [report("s1", "m1", CONFIRMED, reply="d2")]


def test_the_deadline_of_the_next_message_starts_when_the_oldest_was_settled() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", "m2")
    desk.wait(20.0)
    desk.settle("m1", "s1")
    desk.take()

    desk.wait(29.75)
    assert desk.take() == []
    desk.wait(0.25)

    assert desk.take()[0] == report("s1", "m2", OutcomeKind.UNCONFIRMED)


def test_settling_what_nobody_was_sent_changes_nothing() -> None:
    desk = Desk("s1")
    desk.forward("m1")
    desk.take()

    desk.settle("m9", "s1", "s9")
    desk.confirm("s1", "m1")

    assert desk.take() == [report("s1", "m1", CONFIRMED)]
