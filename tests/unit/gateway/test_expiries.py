"""When tokens end."""

from gateway.core.expiries import STALE_AT_LEAST, Expiries


def test_each_is_due_once_at_its_time() -> None:
    expiries: Expiries[str] = Expiries()
    expiries.set("bob", 20.0)
    expiries.set("alice", 10.0)
    expiries.set("carol", None)

    assert expiries.due(9.9) == []
    assert expiries.due(10.0) == ["alice"]
    assert expiries.due(30.0) == ["bob"]
    assert expiries.due(1e12) == []
    assert len(expiries) == 0


def test_a_renewed_token_is_due_at_its_new_time_only() -> None:
    expiries: Expiries[str] = Expiries()
    expiries.set("alice", 10.0)
    expiries.set("bob", 30.0)

    expiries.set("alice", 20.0)
    expiries.set("bob", 5.0)

    assert expiries.due(15.0) == ["bob"]
    assert expiries.due(40.0) == ["alice"]


def test_one_that_has_left_or_never_ends_any_more_is_not_due() -> None:
    expiries: Expiries[str] = Expiries()
    expiries.set("alice", 10.0)
    expiries.set("bob", 10.0)

    expiries.left("alice")
    expiries.left("alice")
    expiries.set("bob", None)

    assert expiries.due(20.0) == []


def test_those_who_come_and_go_leave_nothing_behind_long_before_their_tokens_end() -> None:
    expiries: Expiries[int] = Expiries()
    expiries.set(-1, 1e9)

    for number in range(10 * STALE_AT_LEAST):
        expiries.set(number, 1e9 + number)
        expiries.left(number)

    assert len(expiries._line) <= STALE_AT_LEAST + 3
    assert expiries.due(2e9) == [-1]
