"""Silent clients: cut after the confirm timeout of the oldest message, excused when the process was the silent one."""

from shared.wire import Lease, LeaseKind, OutcomeKind
from tests.support.gateway_core import Announce, Cut, Desk, report

CONFIRMED = OutcomeKind.CONFIRMED


def closed(session: str, rev: int) -> Announce:
    return Announce(Lease(kind=LeaseKind.CLOSED, session=session, user="alice", rev=rev))


def test_a_client_that_does_not_answer_in_time_is_reported_cut_and_closed_in_that_order() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1")
    desk.take()

    desk.wait(29.75)
    assert desk.take() == []
    desk.wait(0.25)

    assert desk.take() == [report("s1", "m1", OutcomeKind.UNCONFIRMED), Cut("s1"), closed("s1", rev=2)]


def test_only_the_oldest_message_counts_as_unconfirmed() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", "m2", "m3", window=3)
    desk.take()

    desk.wait(31.0)

    assert desk.take() == [report("s1", "m1", OutcomeKind.UNCONFIRMED), Cut("s1"), closed("s1", rev=2)]


def test_the_deadline_counts_from_when_the_oldest_became_the_oldest() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", "m2")
    desk.wait(20.0)
    desk.confirm("s1", "m1")
    desk.take()

    desk.wait(29.75)
    assert desk.take() == []
    desk.wait(0.25)

    assert desk.take()[0] == report("s1", "m2", OutcomeKind.UNCONFIRMED)


def test_a_client_that_skips_the_oldest_is_cut_however_much_it_answers_after_it() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", "m2", "m3", window=3)
    desk.wait(15.0)
    desk.confirm("s1", "m2")
    desk.wait(14.0)
    desk.confirm("s1", "m3")
    desk.take()

    desk.wait(1.0)

    assert desk.take()[:2] == [report("s1", "m1", OutcomeKind.UNCONFIRMED), Cut("s1")]


def test_a_client_that_works_through_its_window_slowly_is_not_silent() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", "m2", "m3", window=3)
    desk.take()

    for message in ("m1", "m2", "m3"):
        desk.wait(25.0)
        desk.confirm("s1", message)

    assert desk.take() == [report("s1", message, CONFIRMED) for message in ("m1", "m2", "m3")]


def test_one_silent_client_does_not_take_the_users_other_session_along() -> None:
    desk = Desk("s1", "s2", confirm_timeout=30.0)
    desk.forward("m1", to=("s1", "s2"))
    desk.confirm("s2", "m1")
    desk.take()

    desk.wait(31.0)

    assert desk.take() == [report("s1", "m1", OutcomeKind.UNCONFIRMED), Cut("s1"), closed("s1", rev=2)]
    assert desk.core.sessions_of("alice") == ["s2"]


def test_clients_are_excused_for_the_time_in_which_the_process_stood_still() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1")
    desk.wait(10.0)
    desk.take()

    desk.stall(60.0)
    assert desk.take() == []
    desk.wait(19.75)
    assert desk.take() == []
    desk.wait(0.25)

    assert desk.take()[0] == report("s1", "m1", OutcomeKind.UNCONFIRMED)


def test_a_full_session_is_excused_for_a_stall_too() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1", window=1)
    desk.settle("m1", "s1")
    desk.forward("m2", window=1)
    desk.wait(10.0)
    desk.take()

    desk.stall(60.0)
    desk.wait(19.75)
    assert desk.take() == []
    desk.wait(0.25)

    assert desk.take()[0] == Cut("s1")


def test_a_tick_that_is_a_little_late_excuses_nobody() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1")
    desk.take()

    for _ in range(20):
        desk.stall(1.5)

    assert desk.take()[:2] == [report("s1", "m1", OutcomeKind.UNCONFIRMED), Cut("s1")]


def test_a_silent_client_is_cut_while_the_broker_is_away_and_nobody_is_told() -> None:
    desk = Desk("s1", confirm_timeout=30.0)
    desk.forward("m1")
    desk.core.link_down(desk.now)
    desk.take()

    desk.wait(30.0)

    assert [call for call in desk.take() if not isinstance(call, Announce)][-1] == Cut("s1")
    assert len(desk.core) == 0
