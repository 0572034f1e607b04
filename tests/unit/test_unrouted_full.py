"""First contact with a queue that is full: for how long it is waited for, and what becomes of what waits."""

from dispatcher.core.quota import Quota
from dispatcher.core.unrouted import CROWD, CROWDED_SECONDS, FULL_SECONDS, Unrouted
from shared.message import Reason
from tests.unit.test_unrouted import Orders


def test_what_waits_for_a_queue_that_stays_full_is_buried_and_the_queue_is_bound() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    with_a_full_queue(rules, 2)
    orders.taken()

    for now in range(1, int(FULL_SECONDS)):
        tried_in_vain(rules, now)
        rules.tick(now)
    assert {what for what, *_ in orders.taken()} == {"declare", "move"}

    tried_in_vain(rules, FULL_SECONDS)
    orders.taken()
    rules.tick(FULL_SECONDS)
    assert orders.taken() == [("bury", 0), ("bury", 1), ("bind", "alice")]
    assert set(orders.reasons) == {Reason.QUEUE_FULL}


def test_a_crowd_that_waits_for_a_full_queue_does_not_keep_the_others_waiting_for_long() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    with_a_full_queue(rules, CROWD)
    orders.taken()

    rules.tick(CROWDED_SECONDS)

    assert orders.taken() == [*(("bury", tag) for tag in range(CROWD)), ("bind", "alice")]


def test_what_still_comes_for_a_full_queue_that_is_bound_is_buried_at_once_until_there_is_room() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    with_a_full_queue(rules, 1)
    rules.tick(FULL_SECONDS)
    rules.bound("alice", FULL_SECONDS)
    rules.moved(0, FULL_SECONDS)
    orders.taken()

    rules.arrived("alice", 1, FULL_SECONDS)
    rules.refused(1, FULL_SECONDS)
    rules.moved(1, FULL_SECONDS)
    assert orders.taken() == [("move", "alice", 1), ("bury", 1), ("ack", 1)]

    rules.arrived("alice", 2, FULL_SECONDS)
    rules.moved(2, FULL_SECONDS)
    rules.arrived("alice", 3, FULL_SECONDS)
    assert orders.taken() == [("move", "alice", 2), ("ack", 2), ("declare", "alice")]


def test_a_full_queue_that_was_bound_is_forgotten_once_nothing_comes_this_way_any_more() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    with_a_full_queue(rules, 1)
    rules.tick(FULL_SECONDS)
    rules.bound("alice", FULL_SECONDS)
    rules.moved(0, FULL_SECONDS)
    orders.taken()

    rules.tick(2 * FULL_SECONDS)
    rules.arrived("alice", 1, 2 * FULL_SECONDS)

    assert orders.taken() == [("declare", "alice")]


def test_a_full_queue_that_takes_something_now_and_then_is_waited_for() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    with_a_full_queue(rules, 2)
    tried_again(rules)
    rules.moved(0, 1)
    rules.refused(1, FULL_SECONDS - 1)

    assert_waited_for(rules, orders)


def test_a_queue_that_is_deleted_again_and_again_is_not_taken_for_a_full_one() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    with_a_full_queue(rules, 1)
    tried_again(rules)
    rules.failed(0, FULL_SECONDS - 1)

    assert_waited_for(rules, orders)


def with_a_full_queue(rules: Unrouted, count: int) -> None:
    """So many of alice's, the first of them 0, were refused."""
    for tag in range(count):
        rules.arrived("alice", tag, now=0)
    rules.declared("alice", now=0)
    for tag in range(count):
        rules.refused(tag, now=0)


def tried_in_vain(rules: Unrouted, now: float) -> None:
    rules.tick(now - 0.1)
    rules.declared("alice", now - 0.1)
    rules.refused(0, now - 0.1)


def tried_again(rules: Unrouted) -> None:
    rules.tick(1)
    rules.declared("alice", 1)


def assert_waited_for(rules: Unrouted, orders: Orders) -> None:
    """And not given up, a minute after it was found full first."""
    orders.taken()
    rules.tick(FULL_SECONDS)
    assert orders.taken() == [("declare", "alice")]
