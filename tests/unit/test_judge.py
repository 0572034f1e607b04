"""The judge must find what is wrong with a history, and nothing wrong with a good one."""

from tests.support.history import Attempted, Buried, Confirmed, Connected, Expired, Held, History, Received, Removed
from tests.support.judge import add_up, judge


def published(*messages: str, user: str = "alice") -> History:
    return [happening for m in messages for happening in (Attempted(user, m), Held(user, m))]


def connected(session: str, *seen: str, client: str = "phone") -> History:
    return [Connected(client, "alice", session, frozenset(seen))]


def received(session: str, *messages: str, client: str = "phone") -> History:
    return [Received(client, "alice", session, m) for m in messages]


def confirmed(*messages: str, client: str = "phone") -> History:
    return [Confirmed(client, "alice", m) for m in messages]


def test_everything_received_once_in_order_is_clean() -> None:
    history = published("1", "2") + connected("s") + received("s", "1", "2") + confirmed("1", "2")

    assert judge(history).clean


def test_a_held_message_that_nobody_received_is_lost() -> None:
    history = published("1", "2") + connected("s") + received("s", "1")

    assert judge(history).lost == {("alice", "2")}


def test_a_message_in_dead_letters_is_not_lost() -> None:
    history = [*published("1"), Buried("alice", "1")]

    assert judge(history).clean


def test_a_message_that_the_broker_never_confirmed_may_come_or_not() -> None:
    attempts: History = [Attempted("alice", "1"), Attempted("alice", "2")]

    assert judge(attempts + connected("s") + received("s", "2")).clean


def test_a_message_that_nobody_sent_is_unexpected() -> None:
    history = published("1") + connected("s") + received("s", "1", "9")

    assert judge(history).unexpected == {("alice", "9")}


def test_a_message_of_another_user_is_unexpected_and_lost() -> None:
    history = published("1", user="bob") + connected("s") + received("s", "1")

    verdict = judge(history)

    assert verdict.unexpected == {("alice", "1")}
    assert verdict.lost == {("bob", "1")}


def test_an_older_message_after_a_younger_one_is_reordered() -> None:
    history = published("1", "2", "3") + connected("s") + received("s", "1", "3", "2")

    assert len(judge(history).reordered) == 2  # the session's view and the user's


def test_a_session_that_got_only_the_younger_message_first_is_reordered() -> None:
    history = published("1", "2") + connected("s") + received("s", "2") + connected("t") + received("t", "1", "2")

    assert judge(history).reordered == ("alice: 1 came after 2",)


def test_a_new_session_may_begin_again_from_the_oldest_unconfirmed() -> None:
    history = published("1", "2", "3") + connected("s") + received("s", "1", "2")
    history += connected("t") + received("t", "1", "2", "3")

    assert judge(history).clean


def test_a_new_session_out_of_order_is_reordered_although_all_came_before() -> None:
    history = published("1", "2") + connected("s") + received("s", "1", "2") + connected("t") + received("t", "2", "1")

    assert judge(history).reordered == ("phone/t: 1 came after 2",)


def test_one_message_twice_in_one_session_is_a_repetition() -> None:
    history = published("1", "2") + connected("s") + received("s", "1", "2", "1")

    verdict = judge(history)

    assert verdict.repeated_in_session == (("phone", "1"),)
    assert verdict.reordered == ()


def test_a_message_that_seen_named_is_a_repetition() -> None:
    history = published("1") + connected("s") + received("s", "1") + confirmed("1")
    history += connected("t", "1") + received("t", "1")

    verdict = judge(history)

    assert verdict.repeated_after_seen == (("phone", "1"),)
    assert not verdict.clean


def test_a_repetition_to_a_client_that_sent_no_seen_is_counted_and_allowed() -> None:
    history = published("1") + connected("s") + received("s", "1") + confirmed("1")
    history += connected("t") + received("t", "1")

    verdict = judge(history)

    assert verdict.repeated_without_seen == (("phone", "1"),)
    assert verdict.clean


def test_two_devices_may_each_have_a_message() -> None:
    history = published("1") + connected("s") + connected("t", client="laptop")
    history += received("s", "1") + received("t", "1", client="laptop")

    assert judge(history).clean


def test_what_expired_or_was_removed_by_an_operator_is_not_lost() -> None:
    history = [*published("1", "2"), Expired("alice", "1"), Removed("alice", 1)]

    assert judge(history).clean


def test_an_operator_removes_no_more_than_was_counted_and_nothing_that_came_later() -> None:
    history = [*published("1", "2"), Removed("alice", 1), *published("3"), Removed("bob", 9)]

    assert judge(history).lost == {("alice", "2"), ("alice", "3")}


def test_the_sum_holds_when_everything_is_somewhere() -> None:
    history = [*published("1", "2", "3", "4", "5"), *connected("s"), *received("s", "1", "2"), *confirmed("1")]
    history += [Buried("alice", "2"), Expired("alice", "3"), Removed("alice", 1)]

    total = add_up(history, queued=1)

    assert total.holds
    assert (total.confirmed, total.dead_lettered, total.expired, total.removed, total.queued) == (1, 1, 1, 1, 1)
    assert total.published == 5


def test_the_sum_does_not_hold_when_a_message_was_received_and_never_confirmed() -> None:
    history = published("1", "2") + connected("s") + received("s", "1", "2") + confirmed("1")

    assert judge(history).clean
    assert add_up(history).missing == {("alice", "2")}


def test_the_sum_does_not_hold_when_the_queue_has_fewer_than_are_missing() -> None:
    assert not add_up(published("1", "2"), queued=1).holds


def test_the_sum_counts_a_message_once_that_was_confirmed_and_buried() -> None:
    history = [*published("1"), *connected("s"), *received("s", "1"), *confirmed("1"), Buried("alice", "1")]

    total = add_up(history)

    assert (total.published, total.confirmed, total.dead_lettered) == (1, 1, 0)


def test_the_sum_ignores_what_the_broker_never_confirmed() -> None:
    history = [Attempted("alice", "1"), *connected("s"), *received("s", "1"), *confirmed("1")]

    assert add_up(history).published == 0
