"""When nothing comes back: reminders, sessions given up, inboxes asked and inboxes gone."""

from dispatcher.core.inboxes import Inboxes
from dispatcher.core.rules import BUSY_PROBE_SECONDS, IDLE_PROBE_SECONDS
from dispatcher.core.session import Session
from shared.wire import Dropped, Replaced
from tests.support.dispatcher_core import Desk, forward
from tests.support.dispatcher_port import Ack, Call, Cancel, Probe, Tell

PATIENCE_SECONDS = 30.0 * 1.25 + 5.0
"""Of a dispatcher with a gateway whose confirm timeout is 30 s."""


def told(desk: Desk) -> list[Call]:
    """What gateways were told since the last time, but for probes."""
    return [call for call in desk.take() if not isinstance(call, Probe)]


def session(name: str, inbox: str) -> Session:
    return Session(name, "alice", inbox, 1, 1, 0.0, 0, 30.0)


def test_a_session_whose_outcomes_do_not_come_is_sent_everything_again_in_order() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.arrive("m2")
    desk.take()

    desk.wait(PATIENCE_SECONDS - 0.1)
    assert told(desk) == []
    desk.wait(0.1)

    assert told(desk) == [forward("m1", "s1", again=True), forward("m2", "s1", again=True)]


def test_a_session_is_given_up_when_the_reminder_fails_too() -> None:
    desk = Desk()
    lease = desk.lease("s1")
    desk.serve()
    desk.declared()
    desk.arrive("m1")
    desk.wait(PATIENCE_SECONDS)
    desk.take()

    desk.wait(PATIENCE_SECONDS - 0.1)
    assert told(desk) == []
    desk.wait(0.1)

    assert told(desk) == [Tell("g1", Dropped(("s1",))), Ack(lease)]
    assert desk.core.sessions == 0


def test_an_outcome_shows_that_the_session_lives_and_the_next_silence_begins_anew() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.arrive("m2")
    desk.wait(PATIENCE_SECONDS)
    desk.confirm("s1", "m1")
    desk.take()

    desk.wait(PATIENCE_SECONDS)

    assert told(desk) == [forward("m2", "s1", again=True)]
    assert desk.core.sessions == 1


def test_a_session_that_moved_is_not_given_up_for_the_silence_of_its_old_inbox() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.wait(PATIENCE_SECONDS)
    desk.lease("s1", rev=2, inbox="g2")
    desk.take()

    desk.wait(PATIENCE_SECONDS)

    assert told(desk) == [forward("m1", "s1", inbox="g2", again=True)]


def test_a_session_that_moved_has_the_whole_time_again() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.wait(PATIENCE_SECONDS - 1.0)
    desk.lease("s1", rev=2, inbox="g2")
    desk.take()

    desk.wait(PATIENCE_SECONDS - 1.0)

    assert told(desk) == []


def test_a_session_with_nothing_in_flight_may_be_silent() -> None:
    desk = Desk()
    desk.serve("s1")

    desk.wait(3 * PATIENCE_SECONDS)

    assert told(desk) == []


def test_a_session_owes_nothing_for_what_another_confirmed() -> None:
    desk = Desk()
    desk.serve("s1", "s2")
    desk.arrive("m1")
    desk.confirm("s1", "m1")
    desk.take()

    desk.wait(2 * PATIENCE_SECONDS)

    assert told(desk) == []


def test_a_session_that_was_given_up_comes_back_with_its_next_announcement() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.wait(PATIENCE_SECONDS)
    desk.wait(PATIENCE_SECONDS)
    desk.take()

    desk.lease("s1", rev=2)

    assert told(desk) == [forward("m1", "s1", again=True)]


def test_a_batch_that_comes_back_drops_every_session_of_that_inbox_and_acks_their_leases() -> None:
    desk = Desk()
    first = desk.lease("s1", inbox="g1")
    bobs = desk.lease("s2", user="bob", inbox="g1")
    desk.serve("s3", inbox="g2")
    desk.declared("bob")
    desk.take()

    desk.core.returned("g1", desk.now)

    assert desk.take() == [Ack(first), Ack(bobs)]
    assert desk.core.sessions == 1


def test_what_only_a_lost_inbox_had_is_sent_to_the_session_when_it_is_announced_elsewhere() -> None:
    desk = Desk()
    desk.serve("s1", inbox="g1")
    desk.arrive("m1")
    desk.core.returned("g1", desk.now)
    desk.take()

    desk.lease("s1", rev=2, inbox="g2")

    assert desk.take() == [forward("m1", "s1", inbox="g2", again=True)]


def test_the_last_session_that_turns_out_to_be_gone_starts_the_linger() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")

    desk.gone("s1", "m1")
    desk.wait(2.1)

    assert Cancel("alice") in desk.take()


def test_the_last_session_of_a_lost_inbox_starts_the_linger() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")

    desk.core.returned("g1", desk.now)
    desk.wait(2.1)

    assert Cancel("alice") in desk.take()


def test_an_inbox_that_nobody_is_at_comes_back_without_harm() -> None:
    desk = Desk()
    desk.serve("s1")

    desk.core.returned("g9", desk.now)

    assert desk.take() == []


def test_an_inbox_with_something_in_flight_is_asked_every_5_seconds() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.take()

    desk.wait(21.0)

    asked = desk.take()
    assert asked == [Probe("g1")] * len(asked)
    assert 3 <= len(asked) <= 4


def test_an_inbox_with_nothing_in_flight_is_asked_every_30_seconds() -> None:
    desk = Desk()
    desk.serve("s1")

    desk.wait(95.0)

    assert desk.take() == [Probe("g1")] * 3


def test_probes_are_due_after_their_time_and_not_before() -> None:
    inboxes = Inboxes()
    inboxes.add(session("s1", "busy"))
    inboxes.add(session("s2", "idle"))
    assert list(inboxes.due({"busy"}, 100.0)) == []

    assert list(inboxes.due({"busy"}, 100.0 + BUSY_PROBE_SECONDS - 0.1)) == []
    assert list(inboxes.due({"busy"}, 100.0 + BUSY_PROBE_SECONDS)) == ["busy"]
    assert list(inboxes.due(set(), 100.0 + IDLE_PROBE_SECONDS)) == ["idle"]


def test_an_inbox_without_sessions_is_not_asked_any_more() -> None:
    inboxes = Inboxes()
    only = session("s1", "g1")
    inboxes.add(only)
    inboxes.remove(only)

    assert len(inboxes) == 0
    assert list(inboxes.due({"g1"}, 1000.0)) == []


def test_the_oldest_sessions_over_the_users_limit_are_replaced() -> None:
    desk = Desk()
    desk.lease("s1", opened_at=30.0, limit=2)
    desk.lease("s2", opened_at=10.0, limit=2)
    desk.serve()
    desk.take()

    desk.lease("s3", opened_at=40.0, limit=2)

    assert desk.take() == [Tell("g1", Replaced(("s2",)))]


def test_a_new_owner_looks_at_the_limits_once_it_knows_all_sessions() -> None:
    desk = Desk()
    for number in range(4):
        desk.lease(f"s{number}", opened_at=float(number), limit=2)
    assert desk.take() == []

    desk.wait(0.3)

    assert [call for call in desk.take() if isinstance(call, Tell)] == [
        Tell("g1", Replaced(("s0",))),
        Tell("g1", Replaced(("s1",))),
    ]


def test_a_limit_of_0_is_none() -> None:
    desk = Desk()
    desk.serve(*(f"s{number}" for number in range(50)))

    desk.wait(1.0)

    assert desk.take() == []


def test_one_users_sessions_do_not_count_for_another() -> None:
    desk = Desk()
    desk.lease("s1", limit=1)
    desk.serve()
    desk.take()

    desk.lease("s2", user="bob", limit=1)

    assert not [call for call in desk.take() if isinstance(call, Tell)]
