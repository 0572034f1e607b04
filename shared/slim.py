"""asyncio's queue and event for what there are ten thousand of: nothing is held for those who might once wait.

Each of asyncio's own holds an empty deque or four of them, 0.6 kB each.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Fifo(Generic[T]):
    """As `asyncio.Queue` without a bound."""

    __slots__ = ("_items", "_joining", "_takers", "_unfinished")

    def __init__(self) -> None:
        self._items: deque[T] | None = None  # None while there are none
        self._takers: list[asyncio.Future[None]] | None = None  # None while nobody waits
        self._unfinished = 0
        self._joining: list[asyncio.Future[None]] | None = None

    def empty(self) -> bool:
        return not self._items

    def qsize(self) -> int:
        return len(self._items or ())

    async def put(self, item: T) -> None:
        self.put_nowait(item)

    def put_nowait(self, item: T) -> None:
        if self._items is None:
            self._items = deque()
        self._items.append(item)
        self._unfinished += 1
        self._wake_one()

    def get_nowait(self) -> T:
        """Raises `asyncio.QueueEmpty`."""
        return self.pop()

    async def get(self) -> T:
        while self.empty():
            taker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if self._takers is None:
                self._takers = []
            self._takers.append(taker)
            try:
                await taker
            except asyncio.CancelledError:
                if taker in (self._takers or ()):
                    self._takers.remove(taker)
                elif not self.empty():
                    self._wake_one()  # it was this one's turn
                raise
        return self.get_nowait()

    def pop(self) -> T:
        """Raises `asyncio.QueueEmpty`."""
        if not self._items:
            raise asyncio.QueueEmpty
        item = self._items.popleft()
        if not self._items:
            self._items = None
        return item

    def task_done(self) -> None:
        self._unfinished -= 1
        if not self._unfinished and self._joining is not None:
            for waiting in self._joining:
                if not waiting.done():
                    waiting.set_result(None)
            self._joining = None

    async def join(self) -> None:
        """Until `task_done` was once said of everything."""
        if self._unfinished:
            if self._joining is None:
                self._joining = []
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._joining.append(waiting)
            await waiting

    def _wake_one(self) -> None:
        while self._takers:
            taker = self._takers.pop(0)
            if not self._takers:
                self._takers = None
            if not taker.done():
                taker.set_result(None)
                return


class Flag:
    """As `asyncio.Event`."""

    __slots__ = ("_set", "_waiting")

    def __init__(self) -> None:
        self._set = False
        self._waiting: list[asyncio.Future[None]] | None = None  # None while nobody waits

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        for waiting in self._waiting or ():
            if not waiting.done():
                waiting.set_result(None)
        self._waiting = None

    def clear(self) -> None:
        self._set = False

    async def wait(self) -> bool:
        if not self._set:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if self._waiting is None:
                self._waiting = []
            self._waiting.append(waiting)
            await waiting
        return True
