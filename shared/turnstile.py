"""Lets in whoever comes, first come first served, a few in each turn of the event loop.

All that come at once would else be accepted at once, and each step of each client would wait for the same step of all
others: nobody is done before all are, and on a busy machine all have lost their patience by then. So the first are in
at once, and who comes to a standstill after that holds up nobody.
"""

import asyncio
from collections.abc import Callable, Hashable

AT_ONCE = 8
"""In one turn: some milliseconds of work, so that those who are in are heard in between."""

CROWDED_SECONDS = 0.01
"""From one to the next while it is crowded elsewhere: nobody waits for ever behind a crowd that never ends."""


class Turnstile:
    """Who is to be let in is any object; `enter` lets it in."""

    def __init__(self, crowded: Callable[[], bool] = lambda: False) -> None:
        """`crowded`: there is more urgent work elsewhere; only one is let in now and then."""
        self._crowded = crowded
        self._waiting: dict[Hashable, Callable[[], None]] = {}
        self._entered = 0  # in this turn
        self._turns = False  # a next turn has been asked for

    def come(self, who: Hashable, enter: Callable[[], None]) -> None:
        """Calls `enter`, now or in a later turn, unless it leaves before."""
        if self._waiting or self._entered >= AT_ONCE or self._crowded():
            self._waiting[who] = enter
        else:
            self._entered += 1
            enter()
        if not self._turns:
            self._next_turn()

    @property
    def open(self) -> bool:
        """Nobody waits, and it is not crowded."""
        return not (self._waiting or self._crowded())

    async def turn(self) -> None:
        """Returns when it is one's turn, as `come` has it."""
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def enter() -> None:
            if not mine.done():
                mine.set_result(None)

        self.come(mine, enter)
        try:
            await mine
        finally:
            self.left(mine)

    def left(self, who: Hashable) -> None:
        """Idempotent."""
        self._waiting.pop(who, None)

    def _turn(self) -> None:
        self._entered = 0
        self._turns = bool(self._waiting)
        if not self._turns:
            return
        most = 1 if self._crowded() else AT_ONCE
        self._next_turn()  # first, so that a fault of one holds up nobody
        while self._waiting and self._entered < most:
            self._entered += 1
            self._waiting.pop(next(iter(self._waiting)))()

    def _next_turn(self) -> None:
        self._turns = True
        loop = asyncio.get_running_loop()
        if self._crowded():
            loop.call_later(CROWDED_SECONDS, self._turn)
        else:
            loop.call_soon(self._turn)
