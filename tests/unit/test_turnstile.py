"""How those who want a WebSocket are let in."""

import asyncio
import itertools
from typing import Any

from shared.turnstile import AT_ONCE, Turnstile
from tests.support.until import until

MANY = 5 * AT_ONCE


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_few_are_let_in_at_once() -> None:
    turnstile, entered = Turnstile(), list[int]()

    for number in range(AT_ONCE):
        turnstile.come(number, lambda number=number: entered.append(number))  # type: ignore[misc]  # mypy cannot infer a default's type

    assert entered == list(range(AT_ONCE))


async def test_many_are_let_in_one_turn_after_the_other_in_the_order_in_which_they_came() -> None:
    turnstile, entered = Turnstile(), list[int]()
    for number in range(MANY):
        turnstile.come(number, lambda number=number: entered.append(number))  # type: ignore[misc]  # mypy cannot infer a default's type

    seen = [len(entered)]
    while len(entered) < MANY:
        await turns(1)
        seen.append(len(entered))

    assert entered == list(range(MANY))
    assert all(later - earlier <= AT_ONCE for earlier, later in itertools.pairwise(seen))


async def test_who_comes_while_others_wait_does_not_get_in_before_them() -> None:
    turnstile, entered = Turnstile(), list[int]()
    for number in range(AT_ONCE + 1):
        turnstile.come(number, lambda number=number: entered.append(number))  # type: ignore[misc]  # mypy cannot infer a default's type

    await turns(2)
    turnstile.come(99, lambda: entered.append(99))
    await turns(3)

    assert entered == [*range(AT_ONCE + 1), 99]


async def test_who_has_left_is_not_let_in() -> None:
    turnstile, entered = Turnstile(), list[int]()
    for number in range(MANY):
        turnstile.come(number, lambda number=number: entered.append(number))  # type: ignore[misc]  # mypy cannot infer a default's type

    turnstile.left(MANY - 1)
    turnstile.left(MANY - 1)
    await turns(MANY)

    assert entered == list(range(MANY - 1))


async def test_one_that_fails_holds_up_nobody() -> None:
    turnstile, entered, faults = Turnstile(), list[int](), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))

    def enter(number: int) -> None:
        if number == AT_ONCE:
            raise ValueError
        entered.append(number)

    for number in range(MANY):
        turnstile.come(number, lambda number=number: enter(number))  # type: ignore[misc]  # mypy cannot infer a default's type
    await turns(MANY)

    assert entered == [number for number in range(MANY) if number != AT_ONCE]
    assert len(faults) == 1


async def test_while_it_is_crowded_elsewhere_one_at_a_time_is_let_in_and_afterwards_all() -> None:
    crowded, entered = True, list[int]()
    turnstile = Turnstile(lambda: crowded)
    for number in range(MANY):
        turnstile.come(number, lambda number=number: entered.append(number))  # type: ignore[misc]  # mypy cannot infer a default's type
    assert entered == []

    while len(entered) < 3:
        before = len(entered)
        await turns(1)
        assert len(entered) <= before + 1
    crowded = False
    await until(lambda: len(entered) == MANY, "all are in")

    assert entered == list(range(MANY))


async def test_who_waits_for_a_turn_and_is_cancelled_takes_none() -> None:
    turnstile = Turnstile(lambda: True)
    first, second = asyncio.create_task(turnstile.turn()), asyncio.create_task(turnstile.turn())
    await turns(1)

    first.cancel()
    await second

    assert first.cancelled()


async def test_it_is_open_while_nobody_waits_and_it_is_not_crowded() -> None:
    crowded = False
    turnstile = Turnstile(lambda: crowded)
    assert turnstile.open

    crowded = True
    shut_by_the_crowd = not turnstile.open
    turnstile.come(1, lambda: None)
    crowded = False
    assert shut_by_the_crowd
    shut_by_who_waits = not turnstile.open
    assert shut_by_who_waits
    await until(lambda: turnstile.open, "nobody waits")
