"""First contact, step by step: messages for users who have no queue yet."""

from dataclasses import dataclass, field

from dispatcher.core.quota import SENDER_BURST, Quota
from dispatcher.core.unrouted import (
    BRIEF_SECONDS,
    HURRIED_SECONDS,
    QUIET_SECONDS,
    RETRY_SECONDS,
    STEADY_SECONDS,
    Unrouted,
)
from shared.message import DeadLetter, Reason


@dataclass
class Orders:
    """What the rules asked for, in order."""

    asked: list[tuple[object, ...]] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)

    def declare(self, user: str) -> None:
        self.asked.append(("declare", user))

    def move(self, user: str, tag: int) -> None:
        self.asked.append(("move", user, tag))

    def bind(self, user: str) -> None:
        self.asked.append(("bind", user))

    def bury(self, tag: int, user: str, letter: DeadLetter) -> None:
        self.asked.append(("bury", tag))
        self.reasons.append(letter.reason)

    def ack(self, tag: int) -> None:
        self.asked.append(("ack", tag))

    def taken(self) -> list[tuple[object, ...]]:
        asked, self.asked = self.asked, []
        return asked


def test_the_queue_is_declared_before_anything_is_moved_into_it() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())

    rules.arrived("alice", 1, now=0)
    rules.arrived("alice", 2, now=0)
    assert orders.taken() == [("declare", "alice")]

    rules.declared("alice", now=0.01)
    assert orders.taken() == [("move", "alice", 1), ("move", "alice", 2)]


def test_a_message_is_acked_only_once_its_new_queue_holds_it() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    rules.arrived("alice", 1, now=0)
    rules.declared("alice", now=0)
    orders.taken()

    rules.tick(now=1)
    assert orders.taken() == []

    rules.moved(1, now=1)
    assert orders.taken() == [("ack", 1)]
    assert len(rules) == 0


def test_the_queue_is_bound_once_nothing_came_for_a_moment() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    rules.arrived("alice", 1, now=0)
    rules.declared("alice", now=0)
    rules.moved(1, now=0)
    orders.taken()

    rules.tick(now=QUIET_SECONDS / 2)
    assert orders.taken() == []

    rules.tick(now=QUIET_SECONDS)
    assert orders.taken() == [("bind", "alice")]


def test_in_steady_traffic_a_short_pause_is_enough() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    rules.arrived("alice", 1, now=0)
    rules.declared("alice", now=0)
    rules.moved(1, now=0)
    rules.arrived("alice", 2, now=HURRIED_SECONDS)
    rules.moved(2, now=HURRIED_SECONDS)
    orders.taken()

    rules.tick(now=HURRIED_SECONDS + BRIEF_SECONDS / 2)
    assert orders.taken() == []

    rules.tick(now=HURRIED_SECONDS + BRIEF_SECONDS * 1.5)
    assert orders.taken() == [("bind", "alice")]


def test_the_queue_is_not_bound_while_a_message_is_on_its_way_into_it() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    rules.arrived("alice", 1, now=0)
    rules.declared("alice", now=0)
    orders.taken()

    rules.tick(now=QUIET_SECONDS * 5)

    assert orders.taken() == []


def test_steady_traffic_does_not_keep_the_queue_from_being_bound() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    rules.arrived("alice", 0, now=0)
    rules.declared("alice", now=0)
    for number in range(1, 100):
        now = number * STEADY_SECONDS / 100
        rules.arrived("alice", number, now)
        rules.tick(now)
        assert ("bind", "alice") not in orders.taken()

    rules.tick(now=STEADY_SECONDS)

    assert orders.taken() == [("bind", "alice")]


def test_what_still_comes_after_the_queue_is_bound_is_moved_too() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    rules.arrived("alice", 1, now=0)
    rules.declared("alice", now=0)
    rules.moved(1, now=0)
    rules.tick(now=1)
    orders.taken()

    rules.arrived("alice", 2, now=1)
    assert orders.taken() == [("move", "alice", 2)]

    rules.bound("alice", now=1)
    rules.moved(2, now=1)
    rules.arrived("alice", 3, now=1)
    assert orders.taken() == [("ack", 2), ("declare", "alice")]


def test_a_message_for_no_user_id_is_buried_and_then_acked() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())

    rules.arrived("not a user", 1, now=0)
    assert orders.taken() == [("bury", 1)]
    assert orders.reasons == [Reason.BAD_USER]

    rules.moved(1, now=0)
    assert orders.taken() == [("ack", 1)]


def test_one_user_whose_queue_is_slow_to_declare_does_not_hold_up_another() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    rules.arrived("alice", 1, now=0)
    rules.arrived("bob", 2, now=0)

    rules.declared("bob", now=0)

    assert orders.taken() == [("declare", "alice"), ("declare", "bob"), ("move", "bob", 2)]


def test_after_a_failed_move_the_queue_is_declared_again_and_all_that_waits_is_moved_in_order() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    for tag in (1, 2, 3):
        rules.arrived("alice", tag, now=0)
    rules.declared("alice", now=0)
    orders.taken()

    rules.failed(2, now=0)
    rules.arrived("alice", 4, now=0)
    rules.failed(1, now=0)
    rules.moved(3, now=0)
    rules.tick(now=RETRY_SECONDS)
    rules.declared("alice", now=1)
    rules.moved(1, now=1)

    assert orders.taken() == [
        ("ack", 3),
        ("declare", "alice"),
        ("move", "alice", 1),
        ("ack", 1),
        ("move", "alice", 2),
        ("move", "alice", 4),
    ]


def test_a_full_queue_is_tried_with_one_message_at_a_time_and_with_more_once_there_is_room() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    for tag in range(100):
        rules.arrived("alice", tag, now=0)
    rules.declared("alice", now=0)
    for tag in range(100):
        rules.failed(tag, now=0)
    orders.taken()

    for seconds in range(1, 4):
        rules.tick(now=seconds)
        rules.declared("alice", now=seconds)
        rules.arrived("alice", 100 + seconds, now=seconds)
        assert orders.taken() == [("declare", "alice"), ("move", "alice", 0)]
        rules.failed(0, now=seconds)

    rules.tick(now=4)
    rules.declared("alice", now=4)
    rules.moved(0, now=4)
    assert orders.taken()[-2:] == [("move", "alice", 1), ("move", "alice", 2)]
    rules.moved(1, now=4)
    assert orders.taken() == [("ack", 1)]
    rules.moved(2, now=4)
    assert orders.taken() == [("ack", 2), *(("move", "alice", tag) for tag in range(3, 7))]


def test_steady_traffic_does_not_keep_a_failed_move_from_being_tried_again() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    rules.arrived("alice", 1, now=0)
    rules.declared("alice", now=0)
    rules.failed(1, now=0)
    orders.taken()

    for tag, now in ((2, RETRY_SECONDS / 2), (3, RETRY_SECONDS)):
        rules.arrived("alice", tag, now)
        rules.tick(now)

    assert orders.taken() == [("declare", "alice")]


def test_a_failed_move_is_not_tried_again_at_once() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    rules.arrived("alice", 1, now=0)
    rules.declared("alice", now=0)
    rules.failed(1, now=0)
    orders.taken()

    rules.tick(now=RETRY_SECONDS / 2)

    assert orders.taken() == []


def test_answers_about_what_is_not_known_change_nothing() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())

    rules.declared("alice", now=0)
    rules.bound("alice", now=0)
    rules.moved(7, now=0)
    rules.failed(7, now=0)
    rules.tick(now=1)

    assert orders.taken() == []


def test_the_queue_that_a_session_declared_is_bound_once_nothing_comes_this_way_any_more() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())

    rules.opened("alice", now=0)
    rules.arrived("alice", 1, now=0.05)  # was published before the queue is bound
    assert orders.taken() == [("move", "alice", 1)]
    rules.moved(1, now=0.06)
    rules.tick(now=0.1)
    assert orders.taken() == [("ack", 1)]

    rules.tick(now=0.05 + QUIET_SECONDS)
    assert orders.taken() == [("bind", "alice")]


def test_nothing_is_bound_for_what_is_no_user_id_whoever_says_that_its_session_opened() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())

    rules.opened("sl/ash*", now=0)  # the library refuses to name its queue, which would end the process
    rules.tick(now=QUIET_SECONDS)

    assert orders.taken() == []


def test_a_session_that_opens_while_its_user_is_a_newcomer_changes_nothing() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    rules.arrived("alice", 1, now=0)
    orders.taken()

    rules.opened("alice", now=0)
    rules.tick(now=1)

    assert orders.taken() == []


def test_a_client_that_writes_to_too_many_newcomers_has_the_rest_buried_and_then_acked() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())

    for number in range(SENDER_BURST + 2):
        rules.arrived(f"user{number}", number, now=0, sender="mallory")

    asked = orders.taken()
    assert [what for what, *_ in asked] == ["declare"] * SENDER_BURST + ["bury"] * 2
    assert orders.reasons == [Reason.OVER_QUOTA] * 2
    rules.moved(SENDER_BURST, now=0)
    assert orders.taken() == [("ack", SENDER_BURST)]


def test_publishers_and_other_clients_are_not_held_to_what_one_client_exceeded() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())
    for number in range(SENDER_BURST + 1):
        rules.arrived(f"user{number}", number, now=0, sender="mallory")
    orders.taken()

    rules.arrived("bob", 1001, now=0)
    rules.arrived("carol", 1002, now=0, sender="alice")

    assert orders.taken() == [("declare", "bob"), ("declare", "carol")]


def test_more_messages_for_one_newcomer_cost_no_more_quota() -> None:
    orders = Orders()
    rules = Unrouted(orders, Quota())

    for tag in range(2 * SENDER_BURST):
        rules.arrived("bob", tag, now=0, sender="alice")
    rules.declared("bob", now=0)
    for tag in range(2 * SENDER_BURST):
        rules.moved(tag, now=0)
    for tag in range(1000, 1000 + 2 * SENDER_BURST):  # they come while the queue is bound and forgotten
        rules.tick(now=tag)
        rules.bound("bob", now=tag)
        rules.arrived("bob", tag, now=tag, sender="alice")
        rules.declared("bob", now=tag)
        rules.moved(tag, now=tag)

    assert not orders.reasons
