"""Waiting for a condition with a deadline: tests never sleep and hope."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

STEP_SECONDS = 0.01


class TooLate(AssertionError):
    """What a test waited for did not come in time."""


async def until(
    condition: Callable[[], T],
    what: str | Callable[[], str],
    seconds: float = 15.0,
    *,
    step_seconds: float = STEP_SECONDS,
) -> T:
    """The first true value of `condition`. Raises `TooLate`, naming `what` was waited for.

    A condition that is dear to ask wants a longer step.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TooLate(f"not within {seconds} s: {what if isinstance(what, str) else what()}")
        await asyncio.sleep(step_seconds)
    return value
