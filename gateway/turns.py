"""When each message of a client may go to the broker: no two with one id at once, and nobody waits for another's.

Two with one id cannot be told apart while they are under way, so the publisher itself would let all others wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from gateway.send import Outgoing


class Turns:
    """Every sender has a line, since the ids of two senders differ: who repeats an id holds up what it sends itself."""

    def __init__(self) -> None:
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._under_way: dict[str, asyncio.Event] = {}

    @asynccontextmanager
    async def of(self, outgoing: Outgoing) -> AsyncIterator[None]:
        """The block begins in the order of the calls, as far as they are of one sender."""
        line = self._lines.get(outgoing.sender)
        if line is None:
            line = self._lines[outgoing.sender] = asyncio.Lock()
        async with line:
            while (other := self._under_way.get(outgoing.id)) is not None:
                await other.wait()
            done = self._under_way[outgoing.id] = asyncio.Event()
        try:
            yield
        finally:
            del self._under_way[outgoing.id]
            done.set()
