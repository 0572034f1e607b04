"""What is recorded before it is acked: dead letters and receipts, and who has to wait for a burial."""

from shared.message import DeadLetter, Reason, Receipt, Verdict
from tests.support.dispatcher_core import Desk, forward
from tests.support.dispatcher_port import Ack, Cancel, Consume, Declare, Nack, Record

BAD = DeadLetter(Reason.BAD_BODY, "body is not JSON")


def test_a_dead_letter_is_acked_only_after_the_broker_holds_it() -> None:
    desk = Desk()
    desk.serve("s1")
    tag = desk.arrive("m1")
    desk.take()

    desk.refuse("s1", "m1", "not mine")
    desk.wait(5.0)
    assert desk.take() == [Record(1, "alice", tag, DeadLetter(Reason.REFUSED, "not mine"))]
    desk.recorded(1)

    assert desk.take() == [Ack(tag)]


def test_a_record_that_is_reported_twice_acks_once() -> None:
    desk = Desk()
    desk.serve("s1")
    tag = desk.arrive("m1")
    desk.refuse("s1", "m1")
    desk.take()

    desk.recorded(1)
    desk.recorded(1)
    desk.recorded(77)

    assert desk.take() == [Ack(tag)]


def test_each_copy_of_a_refused_message_is_recorded() -> None:
    desk = Desk()
    desk.serve("s1")
    first, second = desk.arrive("m1"), desk.arrive("m1")
    desk.take()

    desk.refuse("s1", "m1")

    letter = DeadLetter(Reason.REFUSED, "no")
    assert desk.take() == [Record(1, "alice", first, letter), Record(2, "alice", second, letter)]


def test_a_message_that_can_never_be_delivered_is_recorded_and_sent_to_nobody() -> None:
    desk = Desk()
    desk.serve("s1")

    tag = desk.arrive(BAD)
    desk.recorded(1)

    assert desk.take() == [Record(1, "alice", tag, BAD), Ack(tag)]


def test_a_message_that_can_never_be_delivered_holds_nobody_up() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive(BAD)
    desk.take()

    desk.lease("s2")
    desk.arrive("m2")

    assert desk.take() == [forward("m2", "s1", "s2")]


def test_who_asked_for_a_receipt_gets_the_value_before_the_message_is_acked() -> None:
    desk = Desk()
    desk.serve("s1")
    tag = desk.arrive("m1", wants_receipt=True)
    desk.take()

    desk.confirm("s1", "m1", b'{"at":"door"}')
    assert desk.take() == [Record(1, "alice", tag, None, Receipt(Verdict.CONFIRMED, b'{"at":"door"}'))]
    desk.recorded(1)

    assert desk.take() == [Ack(tag)]


def test_only_the_copy_whose_publisher_asked_for_a_receipt_gets_one() -> None:
    desk = Desk()
    desk.serve("s1")
    plain = desk.arrive("m1")
    asking = desk.arrive("m1", wants_receipt=True)
    desk.take()

    desk.confirm("s1", "m1")

    assert desk.take() == [Ack(plain), Record(1, "alice", asking, None, Receipt(Verdict.CONFIRMED))]


def test_a_refusal_gives_a_dead_letter_and_a_receipt() -> None:
    desk = Desk()
    desk.serve("s1")
    tag = desk.arrive("m1", wants_receipt=True)
    desk.take()

    desk.refuse("s1", "m1", "not mine")

    assert desk.take() == [
        Record(
            1,
            "alice",
            tag,
            DeadLetter(Reason.REFUSED, "not mine"),
            Receipt(Verdict.REFUSED, b"null", "not mine"),
        )
    ]


def test_a_rejected_message_gives_a_dead_letter_and_a_receipt() -> None:
    desk = Desk()
    desk.serve("s1")

    tag = desk.arrive(BAD, wants_receipt=True)

    assert desk.take() == [Record(1, "alice", tag, BAD, Receipt(Verdict.REJECTED, b"null", BAD.detail))]


def test_a_session_that_opens_during_a_burial_is_held_until_it_is_over() -> None:
    desk = Desk()
    desk.serve("s1")
    first = desk.arrive("m1")
    desk.arrive("m2")
    desk.refuse("s1", "m1")
    desk.take()

    desk.lease("s2")
    desk.arrive("m3")
    assert desk.take() == [forward("m3", "s1")]
    desk.recorded(1)

    assert desk.take() == [Ack(first), forward("m2", "s2", again=True), forward("m3", "s2", again=True)]


def test_a_session_is_held_until_the_last_of_several_burials_is_over() -> None:
    desk = Desk()
    desk.serve("s1")
    first, second = desk.arrive("m1"), desk.arrive("m2")
    desk.arrive("m3")
    desk.refuse("s1", "m1")
    desk.refuse("s1", "m2")
    desk.lease("s2")
    desk.take()

    desk.recorded(2)
    assert desk.take() == [Ack(second)]
    desk.recorded(1)

    assert desk.take() == [Ack(first), forward("m3", "s2", again=True)]


def test_a_receipt_holds_nobody_because_its_message_was_confirmed() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1", wants_receipt=True)
    desk.arrive("m2")
    desk.confirm("s1", "m1")
    desk.take()

    desk.lease("s2")

    assert desk.take() == [forward("m2", "s2", again=True)]


def test_what_is_held_goes_back_only_when_what_is_being_buried_before_it_is_safe() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    first, second = desk.arrive("m1"), desk.arrive("m2")
    desk.refuse("s1", "m1")
    desk.close("s1")
    desk.wait(2.1)
    desk.take()

    desk.cancelled()
    assert desk.take() == []
    desk.recorded(1)

    assert desk.take() == [Ack(first), Nack(second)]
    assert list(desk.core.users) == []


def test_a_session_that_comes_after_the_release_waits_for_the_burial_before_the_queue_is_consumed() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    first = desk.arrive("m1")
    desk.refuse("s1", "m1")
    desk.close("s1")
    desk.wait(2.1)
    assert Cancel("alice") in desk.take()
    desk.cancelled()

    desk.lease("s2")
    desk.wait(1.0)
    assert desk.take() == []
    desk.recorded(1)
    desk.declared()

    assert desk.take() == [Ack(first), Declare("alice"), Consume("alice")]
