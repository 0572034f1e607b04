"""From a delivery to its ack: who is sent it, and what settles it."""

from shared.message import DeadLetter, Reason
from tests.support.dispatcher_core import Desk, forward, settled
from tests.support.dispatcher_port import Ack, Record


def test_a_delivery_is_forwarded_and_not_acked_before_a_client_confirmed() -> None:
    desk = Desk()
    desk.serve("s1")

    desk.arrive("m1")
    desk.wait(10.0)

    assert Ack(1) not in desk.take()
    assert desk.core.in_flight == 1


def test_a_confirmation_acks_the_delivery() -> None:
    desk = Desk()
    desk.serve("s1")
    tag = desk.arrive("m1")

    desk.confirm("s1", "m1")

    assert desk.take() == [forward("m1", "s1"), Ack(tag)]
    assert desk.core.in_flight == 0


def test_a_second_confirmation_acks_nothing_more() -> None:
    desk = Desk()
    desk.serve("s1", "s2")
    tag = desk.arrive("m1")

    desk.confirm("s1", "m1")
    desk.confirm("s2", "m1")
    desk.confirm("s1", "m1")

    assert desk.take().count(Ack(tag)) == 1


def test_deliveries_are_forwarded_in_the_order_of_the_queue() -> None:
    desk = Desk()
    desk.serve("s1")

    for message in ("m1", "m2", "m3"):
        desk.arrive(message)

    assert desk.take() == [forward("m1", "s1"), forward("m2", "s1"), forward("m3", "s1")]


def test_sessions_at_one_gateway_share_one_forward() -> None:
    desk = Desk()
    desk.lease("s1", inbox="g1")
    desk.lease("s2", inbox="g2")
    desk.serve("s3", inbox="g1")

    desk.arrive("m1")

    assert desk.take() == [forward("m1", "s1", "s3", inbox="g1"), forward("m1", "s2", inbox="g2")]


def test_the_first_confirmation_settles_and_the_others_are_told_not_to_bother() -> None:
    desk = Desk()
    desk.lease("s1", inbox="g1")
    desk.lease("s2", inbox="g2")
    desk.serve("s3", inbox="g1")
    tag = desk.arrive("m1")
    desk.take()

    desk.confirm("s1", "m1")

    assert desk.take() == [settled("m1", "s2", inbox="g2"), settled("m1", "s3", inbox="g1"), Ack(tag)]


def test_a_session_that_opens_is_sent_what_is_in_flight_in_order_and_marked_as_tried() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.arrive("m2")
    desk.take()

    desk.lease("s2", inbox="g2")

    assert desk.take() == [
        forward("m1", "s2", inbox="g2", again=True),
        forward("m2", "s2", inbox="g2", again=True),
    ]


def test_what_the_broker_redelivers_is_marked_as_redelivered() -> None:
    desk = Desk()
    desk.serve("s1")

    desk.arrive("m1", redelivered=True)

    assert desk.take() == [forward("m1", "s1", again=True)]


def test_two_copies_of_one_id_need_only_one_confirmation() -> None:
    desk = Desk()
    desk.serve("s1")
    first, second = desk.arrive("m1"), desk.arrive("m1")

    desk.confirm("s1", "m1")

    assert desk.take() == [forward("m1", "s1"), Ack(first), Ack(second)]


def test_a_copy_that_comes_after_the_confirmation_is_forwarded_anew() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.confirm("s1", "m1")
    desk.take()

    tag = desk.arrive("m1")
    desk.confirm("s1", "m1")

    assert desk.take() == [forward("m1", "s1"), Ack(tag)]


def test_a_confirmation_counts_although_the_session_that_gave_it_has_left() -> None:
    desk = Desk()
    desk.serve("s1", "s2")
    tag = desk.arrive("m1")
    desk.close("s1")
    desk.take()

    desk.confirm("s1", "m1")

    assert desk.take() == [settled("m1", "s2"), Ack(tag)]


def test_an_outcome_of_one_user_does_not_settle_anothers_message_of_the_same_id() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.serve("s2", user="bob")
    desk.arrive("m1", user="alice")
    bobs = desk.arrive("m1", user="bob")
    desk.take()

    desk.confirm("s2", "m1", user="bob")

    assert desk.take() == [Ack(bobs)]


def test_a_refusal_by_the_only_session_settles() -> None:
    desk = Desk()
    desk.serve("s1")
    tag = desk.arrive("m1")
    desk.take()

    desk.refuse("s1", "m1", "not mine")

    assert desk.take() == [Record(1, "alice", tag, DeadLetter(Reason.REFUSED, "not mine"))]


def test_a_refusal_waits_for_who_can_still_confirm() -> None:
    desk = Desk()
    desk.serve("s1", "s2")
    tag = desk.arrive("m1")
    desk.take()

    desk.refuse("s1", "m1")
    assert desk.take() == []
    desk.confirm("s2", "m1")

    assert desk.take() == [Ack(tag)]


def test_when_all_refuse_the_first_reason_is_told() -> None:
    desk = Desk()
    desk.serve("s1", "s2")
    tag = desk.arrive("m1")
    desk.take()

    desk.refuse("s1", "m1", "first")
    desk.refuse("s2", "m1", "second")

    assert desk.take() == [Record(1, "alice", tag, DeadLetter(Reason.REFUSED, "first"))]


def test_a_refusal_settles_when_the_last_other_session_leaves() -> None:
    desk = Desk()
    desk.serve("s1", "s2")
    tag = desk.arrive("m1")
    desk.refuse("s1", "m1")
    desk.take()

    desk.close("s2")

    assert Record(1, "alice", tag, DeadLetter(Reason.REFUSED, "no")) in desk.take()


def test_a_session_that_came_after_the_refusal_can_still_confirm() -> None:
    desk = Desk()
    desk.serve("s1", "s2")
    tag = desk.arrive("m1")
    desk.refuse("s1", "m1")
    desk.lease("s3")
    desk.close("s2")
    desk.take()

    desk.confirm("s3", "m1")

    assert desk.take() == [Ack(tag)]


def test_a_session_that_moved_while_a_burial_was_under_way_and_then_left_is_waited_for_no_more() -> None:
    desk = Desk()
    desk.serve("s1", "s2")
    desk.arrive("m1")
    second = desk.arrive("m2")
    desk.refuse("s1", "m1")
    desk.refuse("s2", "m1")
    desk.lease("s1", rev=2, inbox="g2")
    desk.close("s1")
    desk.recorded(1)
    desk.take()

    desk.refuse("s2", "m2")

    assert desk.take() == [Record(2, "alice", second, DeadLetter(Reason.REFUSED, "no"))]


def test_a_session_that_its_gateway_does_not_know_is_gone() -> None:
    desk = Desk()
    lease = desk.lease("s1")
    desk.serve("s2")
    desk.arrive("m1")
    desk.take()

    desk.gone("s1", "m1")

    assert desk.take() == [Ack(lease)]
    assert desk.core.sessions == 1
