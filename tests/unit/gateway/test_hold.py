"""A session that is about to be closed: it is emitted nothing more, and what its client still answers counts."""

from gateway.drain import AT_LEAST_PER_SECOND, due
from shared.wire import OutcomeKind
from tests.support.gateway_core import Desk, Emit, report

CONFIRMED = OutcomeKind.CONFIRMED


def test_a_held_session_is_emitted_nothing_more_while_another_goes_on() -> None:
    desk = Desk("s1", "s2")

    desk.core.hold("s1")
    desk.forward("m1", to=("s1", "s2"))

    assert desk.take() == [Emit("s2", "m1")]


def test_what_a_held_session_was_sent_before_is_still_confirmed_and_nothing_follows_it() -> None:
    desk = Desk("s1")
    desk.forward("m1", "m2", window=1)
    desk.take()

    desk.core.hold("s1")
    assert desk.core.unanswered("s1")
    desk.confirm("s1", "m1")

    assert desk.take() == [report("s1", "m1", CONFIRMED)]
    assert not desk.core.unanswered("s1")


def test_what_a_held_session_has_confirmed_is_still_answered_from_the_ring() -> None:
    desk = Desk("s1")
    desk.forward("m1")
    desk.confirm("s1", "m1")
    desk.core.hold("s1")
    desk.take()

    desk.forward("m1", reply="d2")

    assert desk.take() == [report("s1", "m1", CONFIRMED, reply="d2")]


def test_a_session_that_is_gone_is_neither_held_nor_waited_for() -> None:
    desk = Desk("s1")
    desk.forward("m1")
    desk.close("s1")

    desk.core.hold("s1")

    assert not desk.core.unanswered("s1")


def test_those_who_leave_are_spread_evenly_over_the_time_of_the_drain() -> None:
    assert [due(1000, tenths / 10, 20.0) for tenths in (1, 2, 100, 199, 200, 300)] == [5, 10, 500, 995, 1000, 1000]


def test_few_clients_leave_at_a_fixed_rate_rather_than_taking_all_the_time_there_is() -> None:
    assert due(10, 1.0, 3600.0) == AT_LEAST_PER_SECOND


def test_never_more_than_there_are_and_at_least_one_at_once() -> None:
    assert (due(0, 0.1, 20.0), due(3, 5.0, 1.0), due(1, 0.1, 20.0)) == (0, 3, 1)
