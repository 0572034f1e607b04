"""Attempts: only the oldest unanswered message of a user counts, and one message cannot block a user for ever."""

from dispatcher.core.rules import ATTEMPTS_KEPT, Attempts
from shared.message import DeadLetter, Reason, Receipt, Verdict
from tests.support.dispatcher_core import Desk
from tests.support.dispatcher_port import Ack, Record


def silent_turn(desk: Desk, session: str, message: str) -> None:
    """The session's gateway reports that it let the deadline pass, and cuts it."""
    desk.unconfirm(session, message)
    desk.close(session)


def test_a_message_that_was_never_confirmed_in_so_many_attempts_is_a_dead_letter() -> None:
    desk = Desk(max_attempts=2)
    desk.serve("s1")
    tag = desk.arrive("m1")

    silent_turn(desk, "s1", "m1")
    assert not [call for call in desk.take() if isinstance(call, Record)]
    desk.lease("s2")
    silent_turn(desk, "s2", "m1")

    letter = DeadLetter(Reason.UNCONFIRMED, "not confirmed in 2 attempts", 2)
    assert Record(1, "alice", tag, letter) in desk.take()


def test_only_the_oldest_message_of_the_user_counts_an_attempt() -> None:
    desk = Desk(max_attempts=1)
    desk.serve("s1")
    desk.arrive("m1")
    desk.arrive("m2")
    desk.take()

    desk.unconfirm("s1", "m2")

    assert desk.take() == []


def test_a_connection_that_is_lost_is_no_attempt() -> None:
    desk = Desk(max_attempts=1)
    desk.serve("s1")
    desk.arrive("m1")
    for n in range(2, 6):
        desk.close(f"s{n - 1}")
        desk.lease(f"s{n}")

    assert not [call for call in desk.take() if isinstance(call, Record)]


def test_a_session_that_can_still_confirm_is_waited_for() -> None:
    desk = Desk(max_attempts=1)
    desk.serve("s1", "s2")
    tag = desk.arrive("m1")
    desk.take()

    desk.unconfirm("s1", "m1")
    assert desk.take() == []
    desk.confirm("s2", "m1")

    assert desk.take() == [Ack(tag)]


def test_sessions_that_come_back_by_turns_do_not_keep_a_message_for_more_than_twice_the_attempts() -> None:
    desk = Desk(max_attempts=2)
    desk.serve("s0")
    tag = desk.arrive("m1")
    desk.take()

    for n in range(4):
        assert not [call for call in desk.take() if isinstance(call, Record)]
        desk.lease(f"s{n + 1}")
        silent_turn(desk, f"s{n}", "m1")

    letter = DeadLetter(Reason.UNCONFIRMED, "not confirmed in 4 attempts", 4)
    assert Record(1, "alice", tag, letter) in desk.take()


def test_the_counts_outlive_the_linger_and_the_release() -> None:
    desk = Desk(max_attempts=2, linger_seconds=2.0)
    desk.serve("s1")
    desk.arrive("m1")
    silent_turn(desk, "s1", "m1")
    desk.wait(2.1)
    desk.cancelled()
    assert list(desk.core.users) == []

    desk.serve("s2")
    tag = desk.arrive("m1", redelivered=True)
    desk.take()
    desk.unconfirm("s2", "m1")

    assert desk.take() == [
        Record(1, "alice", tag, DeadLetter(Reason.UNCONFIRMED, "not confirmed in 2 attempts", 2)),
    ]


def test_a_confirmation_clears_the_count() -> None:
    desk = Desk(max_attempts=2)
    desk.serve("s1", "s2")
    desk.arrive("m1")
    desk.unconfirm("s1", "m1")
    desk.confirm("s2", "m1")

    desk.arrive("m1")
    desk.take()
    desk.unconfirm("s1", "m1")
    desk.unconfirm("s2", "m1")

    letters = [call.letter for call in desk.take() if isinstance(call, Record)]
    assert letters == [DeadLetter(Reason.UNCONFIRMED, "not confirmed in 2 attempts", 2)]


def test_a_receipt_says_how_many_attempts_a_confirmed_message_took() -> None:
    desk = Desk()
    desk.serve("s1", "s2")
    tag = desk.arrive("m1", wants_receipt=True)
    desk.take()

    desk.unconfirm("s1", "m1")
    desk.confirm("s2", "m1")

    assert desk.take() == [Record(1, "alice", tag, None, Receipt(Verdict.CONFIRMED, attempts=1))]


def test_a_refusal_goes_before_too_many_attempts_as_the_reason() -> None:
    desk = Desk(max_attempts=1)
    desk.serve("s1", "s2")
    tag = desk.arrive("m1")
    desk.take()

    desk.refuse("s1", "m1", "not mine")
    desk.unconfirm("s2", "m1")

    assert desk.take() == [Record(1, "alice", tag, DeadLetter(Reason.REFUSED, "not mine", 1))]


def test_the_table_of_attempts_is_bounded_and_forgets_the_least_recently_counted() -> None:
    attempts = Attempts()
    attempts.add("alice", "m0")
    attempts.add("alice", "m1")
    attempts.add("alice", "m0")

    for n in range(2, ATTEMPTS_KEPT + 1):
        attempts.add("alice", f"m{n}")

    assert (attempts.count("alice", "m0"), attempts.count("alice", "m1"), attempts.count("alice", "m2")) == (2, 0, 1)
