"""Lets in whoever wants a WebSocket, first come first served, a few in each turn of the event loop.

All that come at once would else be accepted at once, and each step of each client would wait for the same step of all
others: nobody is done before all are, and on a busy machine all have lost their patience by then. So the first are in
at once, and who comes to a standstill after that holds up nobody.
"""

import asyncio
from collections.abc import Callable, Hashable

AT_ONCE = 8
"""In one turn: some milliseconds of work, so that those who are in are heard in between."""


class Turnstile:
    """Who is to be let in is any object; `enter` lets it in."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, Callable[[], None]] = {}
        self._entered = 0  # in this turn
        self._turns = False  # a next turn has been asked for

    def come(self, who: Hashable, enter: Callable[[], None]) -> None:
        """Calls `enter`, now or in a later turn, unless it leaves before."""
        if self._waiting or self._entered >= AT_ONCE:
            self._waiting[who] = enter
        else:
            self._entered += 1
            enter()
        if not self._turns:
            self._turns = True
            asyncio.get_running_loop().call_soon(self._turn)

    def left(self, who: Hashable) -> None:
        """Idempotent."""
        self._waiting.pop(who, None)

    def _turn(self) -> None:
        self._entered = 0
        self._turns = bool(self._waiting)
        if self._turns:  # first, so that a fault of one holds up nobody
            asyncio.get_running_loop().call_soon(self._turn)
        while self._waiting and self._entered < AT_ONCE:
            self._entered += 1
            self._waiting.pop(next(iter(self._waiting)))()
