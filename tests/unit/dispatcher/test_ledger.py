"""What a dispatcher's ledger says of deliveries: each of them ends in exactly one of its sums, with its time."""

from dispatcher.core.ledger import Ledger, Times
from shared.message import DeadLetter, Reason
from tests.support.dispatcher_core import Desk


def ledger_of(desk: Desk) -> Ledger:
    return desk.core._books.ledger


def test_a_time_is_counted_up_to_and_with_its_bound() -> None:
    times = Times((1.0, 2.0))

    for seconds in (-5.0, 1.0, 1.1, 2.5):
        times.add(seconds)

    assert times.counts == [2, 1, 1]
    assert times.seconds == 4.6


def test_a_confirmed_message_is_counted_with_its_time_from_the_arrival_and_from_the_publisher() -> None:
    desk = Desk()
    desk.serve("s1")
    ledger = ledger_of(desk)
    ledger.epoch = 1_700_000_000.0 - desk.now

    desk.arrive("m1", sent_at=1_699_999_400.0)
    desk.wait(0.2)
    desk.confirm("s1", "m1")

    assert (ledger.taken, ledger.confirmed, ledger.settled) == (1, 1, 1)
    assert round(ledger.waited.seconds, 3) == 0.2
    assert ledger.queued.seconds == 600.0
    assert round(ledger.took.seconds, 3) == 600.2


def test_a_message_without_a_timestamp_has_no_age() -> None:
    desk = Desk()
    desk.serve("s1")
    ledger_of(desk).epoch = 0.0

    desk.arrive("m1")
    desk.confirm("s1", "m1")

    assert sum(ledger_of(desk).waited.counts) == 1
    assert sum(ledger_of(desk).queued.counts) == sum(ledger_of(desk).took.counts) == 0


def test_a_message_that_cannot_be_delivered_is_settled_only_once_its_dead_letter_is_safe() -> None:
    desk = Desk()
    desk.serve("s1")
    ledger = ledger_of(desk)

    desk.arrive(DeadLetter(Reason.BAD_BODY, "bad"))
    assert (ledger.rejected, desk.core.held) == (0, 1)
    desk.recorded(1)

    assert (ledger.rejected, desk.core.held) == (1, 0)


def test_what_a_lost_connection_takes_along_is_cut_off_and_nothing_is_held_any_more() -> None:
    desk = Desk()
    desk.serve("s1")
    ledger = ledger_of(desk)
    desk.arrive("m1")
    desk.arrive(DeadLetter(Reason.BAD_BODY, "bad"))

    desk.core.abandon()

    assert (ledger.taken, ledger.cut_off, desk.core.held) == (2, 2, 0)


def test_what_a_session_is_sent_again_is_counted_by_its_cause() -> None:
    desk = Desk()
    desk.serve("s1")
    ledger = ledger_of(desk)

    desk.arrive("m1", redelivered=True)
    assert (ledger.again_broker, ledger.again_session, ledger.again_silence) == (1, 0, 0)
    desk.lease("s2")
    assert (ledger.again_broker, ledger.again_session, ledger.again_silence) == (1, 1, 0)
    desk.wait(60.0)

    assert (ledger.again_broker, ledger.again_session, ledger.again_silence) == (1, 1, 2)
