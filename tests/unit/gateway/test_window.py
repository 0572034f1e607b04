"""The window of a session: at most so many messages unanswered, the rest waits in order."""

from shared.wire import Batch, Forward, OutcomeKind
from tests.support.gateway_core import Cut, Desk, Emit, report

CONFIRMED = OutcomeKind.CONFIRMED


def test_a_message_is_emitted_and_its_confirmation_is_told_to_who_forwarded_it() -> None:
    desk = Desk("s1")

    desk.forward("m1", reply="d1")
    desk.confirm("s1", "m1", b'{"read":true}')

    assert desk.take() == [Emit("s1", "m1"), report("s1", "m1", CONFIRMED, value=b'{"read":true}')]


def test_a_client_is_sent_the_event_and_its_attachment_as_they_came() -> None:
    desk = Desk("s1")

    desk.tell(Forward("alice", "m1", ("s1",), b'{"id":"m1"}', b"\x00\xff"))

    assert desk.port.events == [(b'{"id":"m1"}', b"\x00\xff")]


def test_every_session_that_a_forward_names_is_sent_it() -> None:
    desk = Desk("s1", "s2", "s3")

    desk.forward("m1", to=("s1", "s3"))

    assert desk.take() == [Emit("s1", "m1"), Emit("s3", "m1")]


def test_no_more_than_the_window_is_unanswered() -> None:
    desk = Desk("s1")

    desk.forward("m1", "m2", "m3", "m4", window=2)

    assert desk.take() == [Emit("s1", "m1"), Emit("s1", "m2")]


def test_an_answer_makes_room_for_what_waits_longest() -> None:
    desk = Desk("s1")
    desk.forward("m1", "m2", "m3", "m4", window=2)
    desk.take()

    desk.confirm("s1", "m2")
    desk.confirm("s1", "m1")

    assert desk.take() == [
        report("s1", "m2", CONFIRMED),
        Emit("s1", "m3"),
        report("s1", "m1", CONFIRMED),
        Emit("s1", "m4"),
    ]


def test_a_refusal_makes_room_too() -> None:
    desk = Desk("s1")
    desk.forward("m1", "m2", window=1)
    desk.take()

    desk.refuse("s1", "m1", "no such order")

    assert desk.take() == [
        report("s1", "m1", OutcomeKind.REFUSED, detail="no such order"),
        Emit("s1", "m2"),
    ]


def test_a_message_does_not_overtake_those_that_wait_when_the_window_grew() -> None:
    desk = Desk("s1")
    desk.forward("m1", "m2", window=1)
    desk.take()

    desk.forward("m3", window=4)
    desk.confirm("s1", "m1")

    assert desk.take() == [report("s1", "m1", CONFIRMED), Emit("s1", "m2"), Emit("s1", "m3")]


def test_one_session_that_is_full_does_not_hold_up_another() -> None:
    desk = Desk("s1", "s2")
    desk.forward("m1", to=("s1",), window=1)
    desk.take()

    desk.forward("m2", to=("s1", "s2"), window=1)

    assert desk.take() == [Emit("s2", "m2")]


def test_what_waits_and_is_forwarded_again_keeps_its_place_and_answers_to_the_new_address() -> None:
    desk = Desk("s1")
    desk.forward("m1", "m2", "m3", window=1, reply="d1")
    desk.forward("m2", window=1, reply="d2")
    desk.take()

    desk.confirm("s1", "m1")
    desk.confirm("s1", "m2")

    assert desk.take() == [
        report("s1", "m1", CONFIRMED, reply="d1"),
        Emit("s1", "m2"),
        report("s1", "m2", CONFIRMED, reply="d2"),
        Emit("s1", "m3"),
    ]


def test_a_session_that_stays_full_for_the_confirm_timeout_is_cut() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", window=1)
    desk.settle("m1", "s1")  # so it has no deadline of its own
    desk.forward("m2", window=1)
    desk.take()

    desk.wait(29.75)
    assert desk.take() == []
    desk.wait(0.25)

    assert desk.take()[0] == Cut("s1")
    assert len(desk.core) == 0


def test_the_time_of_a_full_session_begins_anew_with_every_answer() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", "m2", window=2)
    desk.settle("m1", "s1")
    desk.settle("m2", "s1")
    desk.forward("m3", "m4", window=2)
    desk.wait(20.0)

    desk.confirm("s1", "m1")
    desk.take()
    desk.wait(29.75)

    assert desk.take() == []


def test_what_is_forwarded_to_a_full_session_does_not_put_its_end_off() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", window=1)
    desk.settle("m1", "s1")
    desk.forward("m2", window=1)
    desk.wait(20.0)

    desk.forward("m3", window=1)
    desk.take()
    desk.wait(10.0)

    assert desk.take()[0] == Cut("s1")


def test_a_session_that_is_full_again_after_an_answer_is_cut_a_confirm_timeout_later() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", "m2", "m3", window=1)
    desk.wait(10.0)
    desk.confirm("s1", "m1")
    desk.settle("m2", "s1")
    desk.take()

    desk.wait(29.75)
    assert desk.take() == []
    desk.wait(0.25)

    assert desk.take()[0] == Cut("s1")


def test_a_session_is_not_full_any_more_when_the_link_took_what_waited() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", window=1)
    desk.settle("m1", "s1")
    desk.forward("m2", window=1)

    desk.core.link_down(desk.now)
    desk.take()
    desk.wait(60.0)

    assert desk.take() == []


def test_a_session_is_not_full_any_more_when_what_waited_was_settled() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", window=1)
    desk.settle("m1", "s1")
    desk.forward("m2", window=1)
    desk.settle("m2", "s1")
    desk.take()

    desk.wait(60.0)

    assert desk.take() == []


def test_an_empty_batch_asks_for_nothing() -> None:
    desk = Desk("s1")

    desk.core.batch(Batch("d1", 32), desk.now)

    assert desk.take() == []


def test_in_flight_counts_what_clients_still_owe() -> None:
    desk = Desk("s1", "s2")

    desk.forward("m1", "m2", to=("s1", "s2"))
    desk.confirm("s1", "m1")
    desk.settle("m1", "s2")

    assert desk.core.in_flight() == 2
