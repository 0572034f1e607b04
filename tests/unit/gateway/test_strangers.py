"""How long a connection may go without a session."""

from gateway.core.strangers import LOGIN_SECONDS, Strangers

STEP = 0.25


def found(strangers: Strangers[str], begin: float, end: float) -> list[tuple[float, str]]:
    """Who is overdue when, looked for several times a second."""
    times = [begin + STEP * n for n in range(round((end - begin) / STEP) + 1)]
    return [(now, name) for now in times for name in strangers.overdue(now)]


def test_who_does_not_log_in_in_time_is_overdue_once() -> None:
    strangers: Strangers[str] = Strangers()
    strangers.came("alice", 0.0)
    strangers.came("bob", 1.0)

    assert found(strangers, 0.0, 30.0) == [(LOGIN_SECONDS, "alice"), (LOGIN_SECONDS + 1.0, "bob")]
    assert len(strangers) == 0


def test_who_has_logged_in_or_left_is_not() -> None:
    strangers: Strangers[str] = Strangers()
    strangers.came("alice", 0.0)
    strangers.left("alice")
    strangers.left("alice")

    assert found(strangers, 0.0, 30.0) == []


def test_the_time_in_which_a_login_is_judged_does_not_count() -> None:
    strangers: Strangers[str] = Strangers()
    strangers.came("alice", 0.0)
    assert found(strangers, 0.0, 4.0) == []

    strangers.judging("alice", 4.0)
    assert found(strangers, 4.0, 60.0) == []
    strangers.refused("alice", 60.0)

    assert found(strangers, 60.0, 90.0) == [(60.0 + LOGIN_SECONDS - 4.0, "alice")]


def test_who_is_refused_again_and_again_has_no_more_time_for_it() -> None:
    strangers: Strangers[str] = Strangers()
    strangers.came("alice", 0.0)
    overdue: list[tuple[float, str]] = []

    for n in range(60):
        overdue += found(strangers, n * 0.5, n * 0.5 + STEP)
        strangers.judging("alice", n * 0.5 + STEP)
        strangers.refused("alice", n * 0.5 + STEP)

    assert overdue == [(LOGIN_SECONDS, "alice")]


def test_one_that_leaves_while_its_login_is_judged_is_forgotten() -> None:
    strangers: Strangers[str] = Strangers()
    strangers.came("alice", 0.0)
    strangers.judging("alice", 1.0)
    strangers.left("alice")
    strangers.refused("alice", 2.0)

    assert len(strangers) == 0
    assert found(strangers, 2.0, 30.0) == []


def test_the_time_in_which_this_process_stood_still_does_not_count() -> None:
    strangers: Strangers[str] = Strangers()
    strangers.came("alice", 0.0)
    assert found(strangers, 0.0, 5.0) == []

    assert found(strangers, 65.0, 90.0) == [(60.0 + LOGIN_SECONDS, "alice")]


def test_who_logs_out_has_the_whole_time_to_log_in_again() -> None:
    strangers: Strangers[str] = Strangers()
    strangers.came("alice", 0.0)
    strangers.left("alice")
    assert found(strangers, 0.0, 9.0) == []
    strangers.came("alice", 9.0)

    assert found(strangers, 9.0, 30.0) == [(9.0 + LOGIN_SECONDS, "alice")]


def test_the_longest_waiting_is_known_and_so_is_one_that_is_judged_if_there_is_no_other() -> None:
    strangers: Strangers[str] = Strangers()
    assert strangers.longest() is None
    strangers.came("alice", 0.0)
    strangers.came("bob", 1.0)

    assert strangers.longest() == "alice"
    strangers.judging("alice", 2.0)
    assert strangers.longest() == "bob"
    strangers.left("bob")
    assert strangers.longest() == "alice"
