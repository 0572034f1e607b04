"""Pending: order, and the clock of the oldest."""

from shared.pending import Pending


def test_the_clock_starts_with_the_first_message() -> None:
    pending = Pending()

    pending.add("m1", now=10.0)
    pending.add("m2", now=12.0)

    assert (pending.oldest, pending.since, len(pending)) == ("m1", 10.0, 2)


def test_the_clock_starts_anew_when_the_oldest_is_answered() -> None:
    pending = Pending()
    pending.add("m1", now=10.0)
    pending.add("m2", now=11.0)

    pending.discard("m1", now=15.0)

    assert (pending.oldest, pending.since) == ("m2", 15.0)


def test_the_clock_runs_on_when_a_later_message_is_answered_first() -> None:
    pending = Pending()
    pending.add("m1", now=10.0)
    pending.add("m2", now=11.0)

    pending.discard("m2", now=15.0)

    assert (pending.oldest, pending.since) == ("m1", 10.0)


def test_a_message_added_again_keeps_its_place_and_the_clock() -> None:
    pending = Pending()
    pending.add("m1", now=10.0)
    pending.add("m2", now=11.0)

    pending.add("m1", now=20.0)

    assert (list(pending), pending.since) == (["m1", "m2"], 10.0)


def test_the_clock_of_an_emptied_one_starts_with_the_next_message() -> None:
    pending = Pending()
    pending.add("m1", now=10.0)
    pending.discard("m1", now=11.0)

    pending.add("m2", now=50.0)

    assert pending.since == 50.0


def test_what_is_not_there_is_forgotten_without_a_word() -> None:
    pending = Pending()
    pending.add("m1", now=10.0)

    pending.discard("m9", now=15.0)

    assert ("m1" in pending, "m9" in pending, pending.since) == (True, False, 10.0)


def test_a_cleared_one_has_no_oldest() -> None:
    pending = Pending()
    pending.add("m1", now=10.0)

    pending.clear()

    assert (pending.oldest, len(pending)) == (None, 0)
