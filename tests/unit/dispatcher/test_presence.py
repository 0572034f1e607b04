"""Somebody asks by a `hello` which sessions a user has: the owner of the partition tells, and changes nothing."""

from shared.names import partition_of
from shared.wire import Lease, LeaseKind, Present, encode_lease
from tests.support.dispatcher_core import Desk
from tests.support.dispatcher_port import Ack, Tell


def ask(desk: Desk, user: str = "alice") -> int:
    question = Lease(kind=LeaseKind.HELLO, user=user, inbox="asker")
    return desk.leased(encode_lease(question), partition_of(user) % desk.partitions)


def test_each_session_is_told_with_its_gateway_and_what_it_has_not_confirmed() -> None:
    desk = Desk()
    desk.lease("s1", inbox="g1", opened_at=100.0)
    desk.serve("s2", inbox="g2")
    desk.arrive("m1")
    desk.arrive("m2")
    desk.confirm("s1", "m1")
    desk.take()

    tag = ask(desk)

    told = desk.take()
    assert told[-1] == Ack(tag)
    assert told[:-1] == [
        Tell("asker", Present("alice", ("s1",), "g1", 2, 1, 100.0)),
        Tell("asker", Present("alice", ("s2",), "g2", 2, 1, 0.0)),
    ]


def test_a_user_without_a_session_is_told_to_have_none() -> None:
    desk = Desk()
    desk.serve("s1", user="bob")

    tag = ask(desk)

    assert desk.take() == [Tell("asker", Present("alice", ())), Ack(tag)]


def test_who_is_only_taking_over_says_nothing_yet() -> None:
    desk = Desk()
    desk.lease("s1")

    tag = ask(desk)

    assert desk.take() == [Ack(tag)]


def test_a_hello_that_asks_nothing_is_not_answered() -> None:
    desk = Desk()
    desk.serve("s1")

    tag = desk.hello(partition_of("alice") % desk.partitions)

    assert desk.take() == [Ack(tag)]


def test_an_asker_that_is_gone_harms_nobody() -> None:
    desk = Desk()
    desk.serve("s1")
    ask(desk)

    desk.core.returned("asker", desk.now)

    assert desk.core.sessions == 1
