"""The last session left: linger, cancel, wait for CancelOk, give everything back in order, begin again if need be."""

from tests.support.dispatcher_core import Desk, forward
from tests.support.dispatcher_port import Ack, Cancel, Consume, Declare, Nack, Probe


def released(desk: Desk, session: str) -> None:
    """The session leaves and its user's consumer is being cancelled."""
    desk.close(session)
    desk.wait(2.1)
    assert Cancel("alice") in desk.take()


def test_a_session_that_comes_back_within_the_linger_finds_everything_in_place() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    desk.arrive("m1")
    desk.close("s1")
    desk.wait(1.9)
    desk.take()

    desk.lease("s2")
    desk.wait(5.0)

    assert desk.take()[0] == forward("m1", "s2", again=True)
    assert desk.port.consuming == {"alice": 0}


def test_what_arrives_during_the_linger_is_sent_to_the_session_that_comes_back() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    desk.close("s1")
    desk.arrive("m1")
    desk.take()

    desk.lease("s2")

    assert desk.take() == [forward("m1", "s2")]


def test_nothing_is_nacked_before_the_broker_said_that_the_consumer_is_cancelled() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    tag = desk.arrive("m1")
    released(desk, "s1")

    desk.wait(5.0)
    assert desk.take() == []
    desk.cancelled()

    assert desk.take() == [Nack(tag)]


def test_deliveries_go_back_in_the_order_of_their_tags_copies_too() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    tags = [desk.arrive(message) for message in ("m1", "m2", "m1", "m3", "m2")]
    released(desk, "s1")

    desk.cancelled()

    assert desk.take() == [Nack(tag) for tag in sorted(tags)]


def test_a_user_whom_nobody_represents_is_forgotten_after_the_release() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    desk.arrive("m1")
    released(desk, "s1")

    desk.cancelled()

    assert (list(desk.core.users), desk.core.in_flight) == ([], 0)


def test_what_arrives_while_the_consumer_is_being_cancelled_goes_back_with_the_rest_unsent() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    first = desk.arrive("m1")
    released(desk, "s1")

    late = desk.arrive("m2")
    assert desk.take() == []
    desk.cancelled()

    assert desk.take() == [Nack(first), Nack(late)]


def test_a_session_that_opens_during_a_release_waits_until_it_ended() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    tag = desk.arrive("m1")
    released(desk, "s1")

    desk.lease("s2")
    desk.wait(1.0)
    assert desk.take() == []
    desk.cancelled()
    assert desk.take() == [Nack(tag), Declare("alice")]
    desk.declared()
    desk.arrive("m1", redelivered=True)

    assert desk.take() == [Consume("alice"), forward("m1", "s2", again=True)]


def test_what_arrives_during_a_release_is_not_sent_to_a_session_that_waits_for_its_end() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    desk.arrive("m1")
    released(desk, "s1")

    desk.lease("s2")
    desk.arrive("m2")

    assert desk.take() == []


def test_a_confirmation_that_comes_during_a_release_is_still_good() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    first, second = desk.arrive("m1"), desk.arrive("m2")
    released(desk, "s1")

    desk.confirm("s1", "m1")
    desk.cancelled()

    assert desk.take() == [Ack(first), Nack(second)]


def test_a_confirmation_that_comes_after_the_release_acks_nothing() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    desk.arrive("m1")
    released(desk, "s1")
    desk.cancelled()
    desk.take()

    desk.confirm("s1", "m1")

    assert desk.take() == []


def test_nothing_is_held_for_more_than_10_minutes_although_the_user_is_here() -> None:
    desk = Desk()
    desk.lease("s1", confirm_timeout=10_000.0)
    desk.serve("s1")
    tag = desk.arrive("m1")
    desk.take()

    desk.wait(599.0)
    assert Cancel("alice") not in desk.take()
    desk.wait(1.0)
    assert [call for call in desk.take() if isinstance(call, Cancel)] == [Cancel("alice")]
    desk.cancelled()
    assert desk.take() == [Nack(tag), Declare("alice")]
    desk.declared()

    assert desk.take() == [Consume("alice")]


def test_nobody_is_reminded_or_given_up_while_a_release_is_under_way_or_for_what_was_released() -> None:
    desk = Desk()
    desk.lease("s1", confirm_timeout=500.0)
    desk.serve("s1")
    desk.arrive("m1")
    desk.wait(605.0)
    assert Cancel("alice") in desk.take()

    desk.wait(100.0)
    assert [call for call in desk.take() if not isinstance(call, Probe)] == []
    desk.cancelled()
    desk.wait(100.0)

    assert [type(call) for call in desk.take() if not isinstance(call, Probe)] == [Nack, Declare]


def test_a_stale_word_that_a_consumer_is_cancelled_releases_nothing() -> None:
    desk = Desk()
    desk.serve("s1")
    desk.arrive("m1")
    desk.take()

    desk.cancelled()
    desk.declared()

    assert desk.take() == []


def test_a_queue_that_was_deleted_is_declared_and_consumed_again_while_the_user_is_here() -> None:
    desk = Desk()
    desk.serve("s1")
    tag = desk.arrive("m1")
    desk.take()

    desk.consumer_lost()
    assert desk.take() == [Declare("alice")]
    desk.confirm("s1", "m1")
    desk.declared()

    assert desk.take() == [Ack(tag), Consume("alice")]


def test_a_queue_that_was_deleted_while_nobody_was_here_is_let_go() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    tag = desk.arrive("m1")
    desk.close("s1")
    desk.take()

    desk.consumer_lost()
    desk.wait(5.0)

    assert desk.take() == [Nack(tag)]
    assert list(desk.core.users) == []


def test_a_queue_that_was_deleted_during_a_release_changes_nothing_about_it() -> None:
    desk = Desk(linger_seconds=2.0)
    desk.serve("s1")
    tag = desk.arrive("m1")
    released(desk, "s1")

    desk.core.consumer_lost("alice", desk.now)
    assert desk.take() == []
    desk.cancelled()

    assert desk.take() == [Nack(tag)]


def test_what_arrives_when_all_is_given_up_goes_back_too() -> None:
    desk = Desk()
    desk.serve("s1")
    first = desk.arrive("m1")
    desk.refuse("s1", "m1")
    desk.close("s1")
    desk.consumer_lost()
    desk.take()

    late = desk.arrive("m2")
    assert desk.take() == []
    desk.recorded(1)

    assert desk.take() == [Ack(first), Nack(late)]
