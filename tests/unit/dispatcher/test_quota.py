"""How many queues the messages of clients may make: per sender, and for all together."""

import pytest

from dispatcher.core import quota as quotas
from dispatcher.core.quota import ALL_BURST, ALL_PAUSE_SECONDS, SENDER_BURST, SENDER_PAUSE_SECONDS, Quota


def taken(quota: Quota, sender: str, times: int, now: float) -> int:
    """How many of so many tries were granted."""
    return sum(not quota.take(sender, now) for _ in range(times))


def test_a_sender_may_make_a_burst_of_queues_and_then_one_at_a_time() -> None:
    quota = Quota()

    assert taken(quota, "mallory", SENDER_BURST + 50, now=5.0) == SENDER_BURST
    assert taken(quota, "mallory", 5, now=5.0 + SENDER_PAUSE_SECONDS - 0.1) == 0
    assert taken(quota, "mallory", 5, now=5.1 + SENDER_PAUSE_SECONDS) == 1


def test_a_sender_who_waits_long_enough_has_the_whole_burst_again_and_no_more() -> None:
    quota = Quota()
    taken(quota, "mallory", SENDER_BURST, now=0.0)

    assert taken(quota, "mallory", 1000, now=1e6) == SENDER_BURST


def test_one_senders_excess_costs_no_other_anything() -> None:
    quota = Quota()

    taken(quota, "mallory", 1000, now=0.0)

    assert taken(quota, "alice", SENDER_BURST, now=0.0) == SENDER_BURST


def test_all_senders_together_are_bounded_too() -> None:
    quota = Quota()

    granted = sum(taken(quota, f"mallory{n}", SENDER_BURST, now=0.0) for n in range(2 * ALL_BURST // SENDER_BURST))

    assert granted == ALL_BURST
    assert "senders" in quota.take("alice", 0.0)
    assert taken(quota, "alice", 5, now=ALL_PAUSE_SECONDS) == 1


def test_what_all_have_exceeded_is_not_taken_from_the_sender() -> None:
    quota = Quota()
    for n in range(ALL_BURST // SENDER_BURST):
        taken(quota, f"mallory{n}", SENDER_BURST, now=0.0)

    assert taken(quota, "alice", 500, now=0.0) == 0

    assert taken(quota, "alice", SENDER_BURST + 1, now=1e6) == SENDER_BURST


def test_memory_is_bounded_whoever_and_how_many_the_senders_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "MOST_SENDERS", 100)
    quota = Quota()

    for n in range(1000):
        quota.take(f"{n:04}" + "x" * 10_000, 0.0)

    assert len(quota) == 100
    assert max(map(len, quota._senders)) == 128


def test_senders_whose_allowance_is_full_again_are_forgotten() -> None:
    quota = Quota()
    for n in range(50):
        quota.take(f"sender{n}", 0.0)

    for n in range(50):
        quota.take("alice", 1e6 + n)

    assert len(quota) == 1


def test_a_new_quota_is_full_whatever_the_clock_says() -> None:
    assert taken(Quota(), "alice", SENDER_BURST + 1, now=12345.0) == SENDER_BURST
    assert taken(Quota(), "alice", SENDER_BURST + 1, now=0.0) == SENDER_BURST
