"""An operator ends all sessions of a user: the owner tells each session's gateway."""

from shared.wire import Evicted
from tests.support.dispatcher_core import Desk
from tests.support.dispatcher_port import Ack, Declare, Tell


def test_every_session_of_an_evicted_user_is_told_at_its_gateway_and_then_the_order_is_acked() -> None:
    desk = Desk()
    desk.serve("s1", "s2", inbox="g1")
    desk.lease("s3", inbox="g2")
    desk.take()

    tag = desk.evict()

    assert desk.take() == [Tell("g1", Evicted(("s1", "s2"))), Tell("g2", Evicted(("s3",))), Ack(tag)]


def test_nobody_elses_session_is_evicted() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.serve("s2", user="bob")

    tag = desk.evict("bob")

    assert desk.take() == [Tell("g1", Evicted(("s2",))), Ack(tag)]


def test_an_eviction_of_a_user_without_a_session_changes_nothing() -> None:
    desk = Desk()
    desk.serve("s1", user="bob")

    tag = desk.evict("alice")

    assert desk.take() == [Ack(tag)]


def test_a_new_owner_evicts_the_sessions_whose_leases_came_before() -> None:
    desk = Desk()
    desk.lease("s1")
    tag = desk.evict()
    desk.lease("s2")

    assert desk.take() == [Tell("g1", Evicted(("s1",))), Ack(tag)]
    desk.wait(0.3)
    assert desk.take() == [Declare("alice")]


def test_an_evicted_session_stays_in_the_books_until_its_gateway_says_that_it_is_closed() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.evict()

    assert desk.core.sessions == 1
    desk.close("s1")
    assert desk.core.sessions == 0
