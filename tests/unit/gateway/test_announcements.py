"""What a gateway announces of its sessions: opened, renewed, moved, closed, and when to say nothing."""

from shared.wire import Lease, LeaseKind, OutcomeKind
from tests.support.gateway_core import Announce, Desk, Emit, Evict, Replace, report


def opened(session: str, rev: int, inbox: str = "g1", opened_at: float = 0.0) -> Announce:
    return Announce(
        Lease(
            kind=LeaseKind.OPEN,
            session=session,
            user="alice",
            inbox=inbox,
            rev=rev,
            opened_at=opened_at,
            limit=10,
            confirm_timeout=20.0,
        )
    )


def closed(session: str, rev: int) -> Announce:
    return Announce(Lease(kind=LeaseKind.CLOSED, session=session, user="alice", rev=rev))


def desk(*sessions: str) -> Desk:
    return Desk(*sessions, confirm_timeout=20.0, limit=10)


def test_a_session_is_announced_with_all_that_a_dispatcher_must_know() -> None:
    gateway = desk()

    gateway.open("s1", opened_at=1700.5)

    assert gateway.take() == [opened("s1", rev=1, opened_at=1700.5)]


def test_a_session_that_ends_is_announced_closed_with_a_higher_rev() -> None:
    gateway = desk("s1")

    gateway.close("s1")

    assert gateway.take() == [closed("s1", rev=2)]
    assert gateway.core.sessions_of("alice") == []


def test_closing_a_session_twice_says_it_once() -> None:
    gateway = desk("s1")
    gateway.close("s1")
    gateway.take()

    gateway.close("s1")

    assert gateway.take() == []


def test_sessions_that_open_while_the_broker_is_away_are_announced_when_it_is_back() -> None:
    gateway = desk()
    gateway.core.link_down(gateway.now)

    gateway.open("s1")
    assert gateway.take() == []
    gateway.core.link_up("g2", gateway.now)

    assert gateway.take() == [opened("s1", rev=1, inbox="g2")]


def test_sessions_that_end_while_the_broker_is_away_are_not_announced_any_more() -> None:
    gateway = desk("s1")
    gateway.core.link_down(gateway.now)

    gateway.close("s1")
    gateway.core.link_up("g2", gateway.now)
    gateway.wait(400.0)

    assert gateway.take() == []


def test_a_new_link_announces_every_session_anew_at_the_new_inbox_with_a_higher_rev() -> None:
    gateway = desk("s1", "s2")

    gateway.core.link_down(gateway.now)
    gateway.core.link_up("g2", gateway.now)

    assert gateway.take() == [opened("s1", rev=2, inbox="g2"), opened("s2", rev=2, inbox="g2")]


def test_what_waited_for_room_when_the_link_went_is_left_to_be_forwarded_again_in_order() -> None:
    gateway = desk("s1")
    gateway.forward("m1", "m3", window=1)
    gateway.core.link_down(gateway.now)
    gateway.core.link_up("g2", gateway.now)
    gateway.take()

    gateway.confirm("s1", "m1")
    assert gateway.take() == [report("s1", "m1", OutcomeKind.CONFIRMED)]
    gateway.forward("m2", "m3", window=1)

    assert gateway.take() == [Emit("s1", "m2")]


def test_what_was_emitted_before_the_link_went_is_not_emitted_again_after_it() -> None:
    gateway = desk("s1")
    gateway.forward("m1", reply="d1")
    gateway.core.link_down(gateway.now)
    gateway.core.link_up("g2", gateway.now)
    gateway.take()

    gateway.forward("m1", reply="d2")
    gateway.confirm("s1", "m1")

    assert gateway.take() == [report("s1", "m1", OutcomeKind.CONFIRMED, reply="d2")]


def test_an_announcement_is_renewed_every_300_seconds() -> None:
    gateway = desk("s1")

    gateway.wait(299.75)
    assert gateway.take() == []
    gateway.wait(0.25)
    assert gateway.take() == [opened("s1", rev=2)]
    gateway.wait(300.0)

    assert gateway.take() == [opened("s1", rev=3)]


def test_nothing_is_renewed_while_the_broker_is_away() -> None:
    gateway = desk("s1")
    gateway.core.link_down(gateway.now)

    gateway.wait(400.0)

    assert gateway.take() == []


def test_sessions_that_came_together_are_not_all_renewed_together() -> None:
    gateway = desk(*(f"s{n}" for n in range(500)))
    gateway.wait(299.75)

    renewed = []
    for _ in range(4):
        gateway.wait(0.25)
        renewed.append(len(gateway.take()))

    assert renewed == [200, 200, 100, 0]


def test_a_session_that_a_dispatcher_gave_up_is_announced_again_with_a_higher_rev() -> None:
    gateway = desk("s1")

    gateway.drop("s1", "s9")

    assert gateway.take() == [opened("s1", rev=2)]


def test_an_announcement_that_was_asked_for_puts_the_next_renewal_off() -> None:
    gateway = desk("s1")
    gateway.wait(200.0)
    gateway.drop("s1")
    gateway.take()

    gateway.wait(299.75)
    assert gateway.take() == []
    gateway.wait(0.25)

    assert gateway.take() == [opened("s1", rev=3)]


def test_a_session_over_the_limit_is_replaced_if_it_is_still_here() -> None:
    gateway = desk("s1", "s2")

    gateway.replace("s1", "s9")

    assert gateway.take() == [Replace("s1")]


def test_a_session_that_an_operator_ended_is_evicted_if_it_is_still_here() -> None:
    gateway = desk("s1", "s2")

    gateway.evict("s1", "s9")

    assert gateway.take() == [Evict("s1")]


def test_the_sessions_of_a_user_are_known_by_that_user_alone() -> None:
    gateway = desk("s2", "s1")
    gateway.open("s3", user="bob")

    assert gateway.core.sessions_of("alice") == ["s1", "s2"]
    assert gateway.core.sessions_of("carol") == []
    assert len(gateway.core) == 3
