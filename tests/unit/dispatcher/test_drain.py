"""A dispatcher that drains: it takes nothing more, and gives each partition up once nothing is in flight there."""

from shared.names import partition_of
from shared.wire import Forward
from tests.support.dispatcher_core import Desk, content
from tests.support.dispatcher_port import Ack, Call, Enter, Leave, Nack, Record, TakeNoMore, Tell

DRAIN_SECONDS = 5.0
ALICES, BOBS = partition_of("alice") % 2, partition_of("bob") % 2


def drain(desk: Desk, seconds: float = DRAIN_SECONDS) -> None:
    desk.core.drain(desk.now + seconds, desk.now)


def left(calls: list[Call]) -> list[int]:
    return [call.partition for call in calls if isinstance(call, Leave)]


def test_what_it_only_waits_for_is_left_at_once_so_that_no_partition_passes_to_it_any_more() -> None:
    desk = Desk(partitions=4)
    desk.hello(1)
    desk.wait(0.3)
    desk.take()

    drain(desk)

    assert desk.take() == [Leave(0), TakeNoMore(1), Leave(2), Leave(3)]


def test_a_partition_that_is_just_being_taken_over_is_left_at_once() -> None:
    desk = Desk()
    desk.lease("s1")

    drain(desk)

    assert desk.take() == [Leave(0)]


def test_a_partition_is_kept_until_what_is_in_flight_is_confirmed_while_an_idle_one_is_given_up() -> None:
    desk = Desk(partitions=2)
    desk.serve("s1", user="alice")
    desk.serve("s2", user="bob")
    tag = desk.arrive("m1", user="alice")
    desk.take()

    drain(desk)
    desk.wait(1.0)
    assert left(desk.take()) == [BOBS]
    desk.confirm("s1", "m1")
    desk.wait(0.05)

    assert desk.take() == [Ack(tag, ALICES), Leave(ALICES)]


def test_what_is_on_its_way_when_it_stops_taking_is_still_forwarded() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.take()

    drain(desk)
    desk.arrive("m2")

    assert Tell("g1", Forward("alice", "m2", ("s1",), content("m2").event(False))) in desk.take()


def test_a_partition_is_kept_until_the_dead_letter_is_safe() -> None:
    desk = Desk()
    desk.serve("s1")
    tag = desk.arrive("m1")
    desk.refuse("s1", "m1")
    [record] = [call for call in desk.take() if isinstance(call, Record)]

    drain(desk)
    desk.wait(1.0)
    assert left(desk.take()) == []
    desk.recorded(record.ticket)
    desk.wait(0.05)

    assert desk.take() == [Ack(tag), Leave(0)]


def test_after_the_time_that_it_has_everything_is_given_up_and_nothing_is_nacked() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.take()

    drain(desk)
    desk.wait(DRAIN_SECONDS)
    calls = desk.take()

    assert left(calls) == [0]
    assert not [call for call in calls if isinstance(call, Nack | Ack)]


def test_idle_partitions_are_given_up_a_few_at_a_time_in_their_order() -> None:
    desk = Desk(partitions=20)
    for partition in range(20):
        desk.hello(partition)
    desk.wait(0.3)
    desk.take()

    drain(desk)
    desk.take()
    steps = []
    for _ in range(4):
        desk.wait(0.05)
        steps.append(left(desk.take()))

    assert steps == [list(range(8)), list(range(8, 16)), list(range(16, 20)), []]


def test_it_has_drained_once_every_channel_is_closed_and_enters_nothing_again() -> None:
    desk = Desk(partitions=2)
    desk.hello(0)
    desk.wait(0.3)
    drained = [desk.core.drained]

    drain(desk)
    desk.core.left(1, desk.now)
    desk.wait(0.05)
    drained.append(desk.core.drained)
    desk.core.left(0, desk.now)
    drained.append(desk.core.drained)
    desk.take()
    desk.wait(60.0)

    assert drained == [False, False, True]
    assert not [call for call in desk.take() if isinstance(call, Enter)]


def test_a_partition_that_is_lost_meanwhile_is_not_entered_again() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    drain(desk)
    desk.take()

    desk.lose()
    desk.wait(60.0)

    assert desk.take() == []
    assert desk.core.drained


def test_it_no_longer_cares_for_fair_shares() -> None:
    desk = Desk(partitions=2)
    desk.serve("s1", user="alice")
    desk.serve("s2", user="bob")
    desk.arrive("m1", user="alice")
    desk.arrive("m2", user="bob")
    drain(desk)
    desk.take()

    desk.core.dispatchers(2, desk.now)

    assert desk.take() == []
