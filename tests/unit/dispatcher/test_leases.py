"""A lease is held unacked for as long as its session lives: that is what the next dispatcher inherits."""

from shared.names import PARTITIONS, partition_of
from shared.wire import Lease, LeaseKind, encode_lease
from tests.support.dispatcher_core import Desk, forward
from tests.support.dispatcher_port import Ack, Cancel, Declare, Enter, Leave


def test_a_lease_is_not_acked_while_its_session_lives() -> None:
    desk = Desk()

    tag = desk.lease("s1")
    desk.wait(60.0)

    assert Ack(tag) not in desk.take()
    assert desk.core.sessions == 1


def test_a_newer_announcement_is_held_and_the_older_one_acked() -> None:
    desk = Desk()
    first = desk.lease("s1", rev=1)

    desk.lease("s1", rev=2)

    assert desk.take() == [Ack(first)]
    assert desk.core.sessions == 1


def test_an_announcement_that_is_not_newer_is_acked_and_changes_nothing() -> None:
    desk = Desk()
    held = desk.lease("s1", rev=5)

    same = desk.lease("s1", rev=5, inbox="g2")
    older = desk.lease("s1", rev=4, inbox="g2")

    assert desk.take() == [Ack(same), Ack(older)]
    assert (0, held) in desk.port.held


def test_when_a_session_closes_its_lease_is_acked_before_the_word_that_it_closed() -> None:
    desk = Desk()
    opened = desk.lease("s1")

    closed = desk.close("s1")

    assert desk.take() == [Ack(opened), Ack(closed)]
    assert desk.core.sessions == 0


def test_the_close_of_a_session_that_nobody_knows_is_acked() -> None:
    desk = Desk()

    closed = desk.close("s9")

    assert desk.take() == [Ack(closed)]


def test_a_hello_is_acked() -> None:
    desk = Desk()

    hello = desk.hello()

    assert desk.take() == [Ack(hello)]
    assert desk.core.owned == [0]


def test_a_lease_of_another_partition_is_acked_and_counted() -> None:
    desk = Desk(partitions=PARTITIONS)
    wrong = (partition_of("alice") + 1) % PARTITIONS

    tag = desk.leased(
        encode_lease(Lease(kind=LeaseKind.OPEN, session="s1", user="alice", inbox="g1", rev=1)), partition=wrong
    )

    assert desk.take() == [Ack(tag, wrong)]
    assert (desk.core.sessions, desk.core.unreadable_leases) == (0, 1)


def test_a_lease_without_an_inbox_is_acked_and_counted() -> None:
    desk = Desk()

    tag = desk.lease("s1", inbox="")

    assert desk.take() == [Ack(tag)]
    assert (desk.core.sessions, desk.core.unreadable_leases) == (0, 1)


def test_what_cannot_be_read_is_acked_once_it_is_known_that_others_can() -> None:
    desk = Desk()
    strange = desk.leased(b"9\n{}")
    desk.lease("s1")

    assert desk.take() == []
    desk.wait(0.3)

    assert desk.take() == [Ack(strange), Declare("alice")]
    assert desk.core.unreadable_leases == 1


def test_what_cannot_be_read_is_acked_at_once_by_an_owner_who_can_read_others() -> None:
    desk = Desk()
    desk.serve("s1")

    strange = desk.leased(b"9\n{}")

    assert desk.take() == [Ack(strange)]


def test_a_partition_none_of_whose_leases_can_be_read_is_given_up_unacked() -> None:
    desk = Desk()
    strange = desk.leased(b"9\n{}")

    desk.wait(0.3)

    assert desk.take() == [Leave(0)]
    assert desk.core.owned == []
    assert (0, strange) not in desk.port.held


def test_a_hello_is_no_lease_that_can_be_read() -> None:
    desk = Desk()
    hello = desk.hello()
    desk.leased(b"9\n{}")

    desk.wait(0.3)

    assert desk.take() == [Ack(hello), Leave(0)]


def test_an_owner_without_sessions_gives_up_when_it_cannot_read_what_comes() -> None:
    desk = Desk()
    desk.hello()
    desk.wait(0.3)
    desk.take()

    desk.leased(b"9\n{}")

    assert desk.take() == [Leave(0)]


def test_a_partition_that_could_not_be_read_is_left_to_others_for_5_seconds() -> None:
    desk = Desk()
    desk.leased(b"9\n{}")
    desk.wait(0.25)
    desk.core.left(0, desk.now)
    assert desk.take() == [Leave(0)]

    desk.wait(4.95)
    assert desk.take() == []
    desk.wait(0.1)

    assert desk.take() == [Enter(0)]


def test_a_lease_that_nobody_renews_for_900_seconds_is_acked_and_forgotten() -> None:
    desk = Desk()
    tag = desk.lease("s1")
    desk.wait(0.3)
    desk.declared()
    desk.take()

    desk.wait(899.0)
    assert desk.core.sessions == 1
    desk.wait(1.0)

    assert Ack(tag) in desk.take()
    assert desk.core.sessions == 0


def test_a_user_whose_last_lease_was_not_renewed_is_released_although_nothing_comes() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    desk.wait(900.0)
    desk.take()

    desk.wait(2.1)
    assert desk.take() == [Cancel("alice")]
    desk.cancelled()

    assert not list(desk.core.users)


def test_a_renewal_keeps_a_lease_for_another_900_seconds() -> None:
    desk = Desk()
    desk.serve("s1", "s2")
    desk.wait(600.0)
    desk.lease("s1", rev=2)
    desk.wait(600.0)

    desk.lease("s3")

    assert [session for user in desk.core.users for session in user.sessions] == ["s1", "s3"]


def test_a_session_that_moves_is_sent_what_is_in_flight_at_its_new_inbox_in_order() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.arrive("m2")
    desk.take()

    desk.lease("s1", rev=7, inbox="g2")

    assert desk.take()[1:] == [
        forward("m1", "s1", inbox="g2", again=True),
        forward("m2", "s1", inbox="g2", again=True),
    ]


def test_a_renewal_from_the_same_inbox_sends_nothing_again() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.take()

    desk.lease("s1", rev=7)

    assert [type(call) for call in desk.take()] == [Ack]


def test_the_last_lease_that_ends_starts_the_linger_not_the_release() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")

    desk.close("s1")
    desk.wait(1.9)
    assert not [call for call in desk.take() if not isinstance(call, Ack)]
    desk.wait(0.2)

    assert desk.take() == [Cancel("alice")]
