"""Owning partitions: queueing up, taking over after a moment, giving up a fair share, losing one."""

from shared.names import PARTITIONS, partition_of
from tests.support.dispatcher_core import Desk
from tests.support.dispatcher_port import Ack, Call, Consume, Declare, Enter, Leave


def left(calls: list[Call]) -> list[int]:
    return [call.partition for call in calls if isinstance(call, Leave)]


def owner_of(partitions: int) -> Desk:
    """A dispatcher that owns all of so many partitions."""
    desk = Desk(partitions=partitions)
    for partition in range(partitions):
        desk.hello(partition)
    desk.wait(0.3)
    desk.take()
    return desk


def test_a_dispatcher_queues_up_for_every_partition_and_owns_none_yet() -> None:
    desk = Desk(partitions=PARTITIONS)

    assert desk.port.open == set(range(64))
    assert desk.core.owned == []


def test_whoever_receives_anything_on_a_lease_queue_owns_the_partition() -> None:
    desk = Desk(partitions=4)

    desk.hello(2)

    assert desk.core.owned == [2]


def test_a_new_owner_waits_250_ms_before_it_declares_and_consumes_user_queues() -> None:
    desk = Desk()
    desk.lease("s1")

    desk.wait(0.2)
    assert desk.take() == []
    desk.wait(0.05)
    assert desk.take() == [Declare("alice")]
    desk.declared()

    assert desk.take() == [Consume("alice")]


def test_an_owner_of_some_time_serves_a_new_session_at_once() -> None:
    desk = Desk()
    desk.serve("s1")

    desk.lease("s2", user="bob")

    assert desk.take() == [Declare("bob")]


def test_a_users_queue_is_declared_before_it_is_consumed() -> None:
    desk = Desk()
    desk.lease("s1")
    desk.wait(5.0)

    assert desk.take() == [Declare("alice")]
    assert desk.port.consuming == {}


def test_a_second_session_does_not_consume_the_queue_a_second_time() -> None:
    desk = Desk()
    desk.serve("s1")

    desk.lease("s2")

    assert desk.take() == []


def test_a_user_who_left_before_the_queue_was_declared_is_not_consumed() -> None:
    desk = Desk()
    desk.lease("s1")
    desk.wait(0.3)
    desk.close("s1")
    desk.take()

    desk.declared()

    assert desk.take() == []
    assert list(desk.core.users) == []


def test_an_owner_of_more_than_a_fair_share_gives_some_up_a_few_at_a_time() -> None:
    desk = owner_of(64)

    desk.core.dispatchers(2, desk.now)
    assert len(left(desk.take())) == 8
    for _ in range(10):
        desk.core.dispatchers(2, desk.now)

    assert len(desk.core.owned) == 32


def test_when_somebody_joins_who_has_enough_first_queues_up_again_behind_them_and_then_gives_some_up() -> None:
    desk = Desk(partitions=6)
    for partition in range(3):
        desk.hello(partition)
    desk.core.dispatchers(2, desk.now)
    for partition in left(desk.take()):
        desk.core.left(partition, desk.now)
    desk.wait(0.3)
    desk.take()

    desk.core.dispatchers(3, desk.now)
    assert left(desk.take()) == [3, 4, 5]
    for partition in (3, 4, 5):
        desk.core.left(partition, desk.now)
    desk.wait(0.05)
    assert desk.take() == [Enter(3), Enter(4), Enter(5)]
    desk.core.dispatchers(3, desk.now)

    assert left(desk.take()) == [0]


def test_who_has_less_than_a_share_keeps_its_place_in_every_queue() -> None:
    desk = Desk(partitions=6)
    desk.hello(0)

    desk.core.dispatchers(2, desk.now)
    desk.core.dispatchers(3, desk.now)

    assert left(desk.take()) == []


def test_a_fair_share_is_rounded_up() -> None:
    desk = owner_of(4)

    desk.core.dispatchers(3, desk.now)
    desk.core.dispatchers(3, desk.now)

    assert len(desk.core.owned) == 2


def test_nothing_is_given_up_by_whoever_is_alone_or_has_no_more_than_a_share() -> None:
    desk = owner_of(4)

    desk.core.dispatchers(0, desk.now)
    desk.core.dispatchers(1, desk.now)

    assert desk.take() == []


def test_a_partition_that_was_given_up_is_queued_up_for_again_once_its_channel_is_closed() -> None:
    desk = owner_of(2)
    desk.core.dispatchers(2, desk.now)
    [partition] = left(desk.take())

    desk.wait(1.0)
    assert desk.take() == []
    desk.core.left(partition, desk.now)
    desk.wait(0.1)

    assert desk.take() == [Enter(partition)]
    assert partition not in desk.core.owned


def test_giving_a_partition_up_acks_and_nacks_nothing_because_the_broker_takes_it_back_in_order() -> None:
    desk = owner_of(2)
    desk.serve("s1", user="bob")
    desk.arrive("m1", user="bob")
    desk.take()

    desk.core.dispatchers(2, desk.now)

    assert desk.take() == [Leave(partition_of("bob") % 2)]
    assert (desk.core.sessions, list(desk.core.users)) == (0, [])


def test_a_partition_whose_channel_the_broker_closed_is_entered_again_after_a_second() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.take()

    desk.lose()
    assert (desk.core.owned, desk.core.sessions, list(desk.core.users)) == ([], 0, [])
    desk.wait(0.95)
    assert desk.take() == []
    desk.wait(0.1)

    assert desk.take() == [Enter(0)]


def test_one_partition_that_is_lost_does_not_touch_another() -> None:
    desk = Desk(partitions=2)
    alices, bobs = partition_of("alice") % 2, partition_of("bob") % 2
    assert alices != bobs
    desk.serve("s1", user="alice")
    desk.serve("s2", user="bob")

    desk.lose(alices)

    assert desk.core.owned == [bobs]
    assert [user.name for user in desk.core.users] == ["bob"]


def test_facts_about_a_partition_that_is_not_owned_are_ignored() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.lose()
    desk.take()

    desk.confirm("s1", "m1")
    desk.gone("s1", "m1")
    desk.declared()
    desk.cancelled()
    desk.core.consumer_lost("alice", desk.now)
    desk.core.returned("g1", desk.now)
    desk.arrive("m2")
    desk.core.left(0, desk.now)

    assert desk.take() == []


def test_a_record_that_is_safe_only_after_its_partition_was_lost_is_not_acked() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.refuse("s1", "m1")
    assert desk.core.recording == 1

    desk.lose()
    desk.take()
    desk.recorded(1)

    assert desk.take() == []
    assert desk.core.recording == 0


def test_a_record_of_a_partition_that_was_not_lost_is_acked() -> None:
    desk = Desk(partitions=2)
    desk.serve("s1", user="alice")
    tag = desk.arrive("m1", wants_receipt=True)
    desk.confirm("s1", "m1")
    desk.hello(partition_of("bob") % 2)
    desk.take()

    desk.lose(partition_of("bob") % 2)
    desk.recorded(1)

    assert desk.take() == [Ack(tag, partition_of("alice") % 2)]


def test_nothing_of_a_lost_partition_is_in_flight_or_expires_any_more() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")

    desk.lose()
    desk.wait(2.0)
    desk.hello()
    desk.wait(1000.0)

    assert desk.core.in_flight == 0
    assert [type(call) for call in desk.take()][-2:] == [Enter, Ack]


def test_a_late_word_that_the_channel_is_closed_does_not_make_it_queue_up_twice() -> None:
    desk = owner_of(2)
    desk.core.dispatchers(2, desk.now)
    [partition] = left(desk.take())
    desk.core.left(partition, desk.now)
    desk.wait(0.1)
    desk.take()

    desk.core.left(partition, desk.now)
    desk.wait(1.0)

    assert desk.take() == []


def test_what_was_lost_with_a_partition_comes_back_with_its_leases() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.lose()
    desk.wait(1.1)
    desk.take()

    desk.lease("s1", rev=1)
    desk.wait(0.3)
    desk.declared()

    assert desk.take() == [Declare("alice"), Consume("alice")]


def test_a_delivery_for_a_user_whom_nobody_represents_goes_back() -> None:
    desk = Desk()
    desk.hello()
    desk.take()

    tag = desk.arrive("m1", user="carol")

    assert [type(call).__name__ for call in desk.take()] == ["Nack"]
    assert Ack(tag) not in desk.take()
