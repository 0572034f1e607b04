"""When connections are pinged, and which are given up."""

from gateway.core.pings import AT_ONCE, LATE_SHARE, Pings

INTERVAL, TIMEOUT, STEP = 10.0, 8.0, 0.05


def looks(pings: Pings[str], begin: float, end: float) -> list[tuple[float, list[str], list[str]]]:
    """What every look between two times found, those that found nothing left out."""
    times = [begin + STEP * n for n in range(round((end - begin) / STEP) + 1)]
    return [(now, *found) for now in times if any(found := pings.look(now))]


def test_who_has_come_or_answered_is_pinged_after_the_interval() -> None:
    pings: Pings[str] = Pings(INTERVAL, TIMEOUT)
    pings.rest("alice", 0.0)

    ((asked, pinged, _),) = looks(pings, 0.0, 12.0)
    pings.rest("alice", 12.0)
    ((again, pinged_again, _),) = looks(pings, 12.0, 25.0)

    assert pinged == pinged_again == ["alice"]
    assert INTERVAL <= asked <= INTERVAL + 2 * STEP
    assert 12.0 + INTERVAL <= again <= 12.0 + INTERVAL + 2 * STEP


def test_who_does_not_answer_in_time_is_given_up_once() -> None:
    pings: Pings[str] = Pings(INTERVAL, TIMEOUT)
    pings.rest("alice", 0.0)
    pings.rest("bob", 0.0)

    ((asked, _, _),) = looks(pings, 0.0, 15.0)
    pings.rest("bob", 15.0)
    found = looks(pings, 15.0, 24.0)

    assert [silent for _, _, silent in found] == [["alice"]]
    assert asked + TIMEOUT <= found[0][0] <= asked + TIMEOUT + 2 * STEP
    assert len(pings) == 1


def test_who_has_left_is_neither_pinged_nor_given_up() -> None:
    pings: Pings[str] = Pings(INTERVAL, TIMEOUT)
    pings.rest("alice", 0.0)
    pings.rest("bob", 0.0)
    pings.leave("alice")
    looks(pings, 0.0, 12.0)
    pings.leave("bob")
    pings.leave("bob")

    assert looks(pings, 12.0, 60.0) == []
    assert len(pings) == 0


def test_many_that_came_at_once_are_pinged_one_after_the_other_and_all_in_time() -> None:
    pings: Pings[str] = Pings(INTERVAL, TIMEOUT)
    everybody = [f"user-{n}" for n in range(10_000)]
    for name in everybody:
        pings.rest(name, 0.0)

    found = looks(pings, 0.0, 20.0)

    assert [name for _, pinged, _ in found for name in pinged][: len(everybody)] == everybody
    late = LATE_SHARE * TIMEOUT
    assert max(len(pinged) for _, pinged, _ in found) <= len(everybody) * STEP / late + 2
    assert [now for now, pinged, _ in found if pinged][-1] <= INTERVAL + late + 2 * STEP


def test_a_few_are_pinged_together() -> None:
    pings: Pings[int] = Pings(INTERVAL, TIMEOUT)
    for number in range(AT_ONCE):
        pings.rest(number, 0.0)
    pings.look(INTERVAL - STEP)

    pinged, _ = pings.look(INTERVAL)

    assert len(pinged) == AT_ONCE


def test_nobody_is_given_up_for_the_time_in_which_this_process_stood_still() -> None:
    pings: Pings[str] = Pings(INTERVAL, TIMEOUT)
    pings.rest("alice", 0.0)
    looks(pings, 0.0, 11.0)

    assert pings.look(11.0 + 60.0) == ([], [])
    assert looks(pings, 71.0, 71.0 + TIMEOUT - 1.5) == []
    assert [silent for _, _, silent in looks(pings, 71.0 + TIMEOUT - 1.5, 71.0 + TIMEOUT)] == [["alice"]]
