"""Names: what a user id is, and that partitions never move."""

import pytest

from shared import names


@pytest.mark.parametrize(
    "text", ["alice", "A", "a" * 128, "alice@example.org", "t:42|b.c_d+e=f~g-h", "auth0|5f7c8ec7c33c6c004bbafe82"]
)
def test_a_user_id_may_hold_what_the_contract_lists(text: str) -> None:
    assert names.is_user_id(text)


@pytest.mark.parametrize(
    "text", ["", "a" * 129, "al ice", "alice\n", "\nalice", "a/b", "a#b", "a*b", "älice", "a\x00b", "٣"]
)
def test_anything_else_is_no_user_id(text: str) -> None:
    assert not names.is_user_id(text)


def test_a_user_never_changes_partition() -> None:
    # A version that computed others would look for leases where nobody put them.
    assert {user: names.partition_of(user) for user in ("alice", "bob", "Alice", "a" * 128)} == {
        "alice": 7,
        "bob": 0,
        "Alice": 3,
        "a" * 128: 12,
    }


def test_users_spread_over_all_partitions() -> None:
    counts = [0] * names.PARTITIONS

    for number in range(6400):
        counts[names.partition_of(f"user-{number}")] += 1

    assert min(counts) > 50
    assert max(counts) < 150


def test_queue_names_are_those_of_the_contract() -> None:
    assert names.user_queue("alice") == "user.alice"
    assert names.sessions_queue(63) == "sessions.63"
    assert names.gateway_inbox("1f") == "gateway.1f"
    assert names.dispatcher_inbox("2e") == "dispatcher.2e"
