"""Sending again is free: what is in flight, or was confirmed lately, is not emitted a second time (I4)."""

from shared.wire import NULL, OutcomeKind
from tests.support.gateway_core import Desk, Emit, report

CONFIRMED = OutcomeKind.CONFIRMED


def test_a_forward_of_what_is_in_flight_only_renews_the_return_address() -> None:
    desk = Desk("s1")
    desk.forward("m1", reply="d1")
    desk.take()

    desk.forward("m1", reply="d2")
    assert desk.take() == []
    desk.confirm("s1", "m1")

    assert desk.take() == [report("s1", "m1", CONFIRMED, reply="d2")]


def test_a_forward_of_what_is_in_flight_does_not_move_its_deadline() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", reply="d1")
    desk.wait(20.0)
    desk.take()

    desk.forward("m1", reply="d2")
    desk.wait(10.0)

    assert desk.take()[0] == report("s1", "m1", OutcomeKind.UNCONFIRMED, reply="d2")


def test_what_was_confirmed_is_answered_at_once_with_the_value_that_the_client_passed() -> None:
    desk = Desk("s1")
    desk.forward("m1", reply="d1")
    desk.confirm("s1", "m1", b'"yes"')
    desk.take()

    desk.forward("m1", reply="d2")

    assert desk.take() == [report("s1", "m1", CONFIRMED, value=b'"yes"', reply="d2")]


def test_what_the_handshake_names_as_seen_is_confirmed_without_being_sent() -> None:
    desk = Desk()
    desk.open("s1", "m1", "m2")
    desk.take()

    desk.forward("m1", "m2", "m3")

    assert desk.take() == [
        report("s1", "m1", CONFIRMED, value=NULL),
        report("s1", "m2", CONFIRMED, value=NULL),
        Emit("s1", "m3"),
    ]


def test_what_was_seen_is_confirmed_although_the_window_is_full() -> None:
    desk = Desk()
    desk.open("s1", "m2")
    desk.forward("m1", window=1)
    desk.take()

    desk.forward("m2", window=1)

    assert desk.take() == [report("s1", "m2", CONFIRMED)]


def test_one_session_does_not_answer_for_what_another_confirmed() -> None:
    desk = Desk("s1", "s2")
    desk.forward("m1", to=("s1",))
    desk.confirm("s1", "m1")
    desk.take()

    desk.forward("m1", to=("s2",))

    assert desk.take() == [Emit("s2", "m1")]


def test_what_was_refused_is_sent_again_so_that_a_dead_letter_can_be_requeued() -> None:
    desk = Desk("s1")
    desk.forward("m1")
    desk.refuse("s1", "m1", "not now")
    desk.take()

    desk.forward("m1")

    assert desk.take() == [Emit("s1", "m1")]


def test_a_second_callback_for_one_message_is_ignored() -> None:
    desk = Desk("s1")
    desk.forward("m1")
    desk.confirm("s1", "m1")
    desk.take()

    desk.confirm("s1", "m1")
    desk.refuse("s1", "m1", "changed my mind")

    assert desk.take() == []


def test_an_answer_to_what_was_never_sent_is_ignored_and_does_not_count_as_confirmed() -> None:
    desk = Desk("s1")

    desk.confirm("s1", "m1")
    desk.confirm("s9", "m1")
    desk.forward("m1")

    assert desk.take() == [Emit("s1", "m1")]


def test_an_answer_to_what_still_waits_for_room_is_ignored() -> None:
    desk = Desk("s1")
    desk.forward("m1", "m2", window=1)
    desk.take()

    desk.confirm("s1", "m2")
    desk.confirm("s1", "m1")

    assert desk.take() == [report("s1", "m1", CONFIRMED), Emit("s1", "m2")]


def test_a_forward_for_a_session_that_is_not_here_is_answered_gone() -> None:
    desk = Desk("s1")

    desk.forward("m1", to=("s9", "s1"))

    assert desk.take() == [report("s9", "m1", OutcomeKind.GONE), Emit("s1", "m1")]


def test_a_callback_of_a_client_that_left_is_ignored() -> None:
    desk = Desk("s1")
    desk.forward("m1")
    desk.close("s1")
    desk.take()

    desk.confirm("s1", "m1")

    assert desk.take() == []
