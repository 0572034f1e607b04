"""What engine.io keeps for a client until it is written: counted, because engine.io itself has no bound for it.

A client that reads is sent no more messages than the window holds before it confirms. One that confirms what it has
not read, or asks without reading the answers, has no end to its queue otherwise.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from shared.slim import Fifo

MESSAGES = 128
"""The largest window that can be set."""

AT_ONCE = 16
"""What may be taken at once, so in one answer to a poll: the stock Python client takes no more for a valid one."""

OTHER_CHARACTERS = 1_000_000
"""Answers to what it asked for, mostly."""


class Unread(Fifo[Any]):
    """Of one connection. Packets of engine.io, and None for its end."""

    __slots__ = ("_messages", "_other_characters", "_taken", "say", "waits")

    def __init__(self) -> None:
        super().__init__()
        self._messages = 0
        self._other_characters = 0
        self._taken = 0
        self.waits = False
        """Who takes from it has nothing in hand, and nothing is there: on a WebSocket, all has been written."""
        self.say: Callable[[Any], bool] | None = None
        """False: it has to be kept. None: everything has to."""

    async def get(self) -> Any:
        self._taken = 0
        self.waits = self.empty()
        try:
            return await super().get()
        finally:
            self.waits = False

    def get_nowait(self) -> Any:
        """engine.io calls it until it raises `QueueEmpty`: at the end, or here when so many were taken since `get`."""
        if self._taken == AT_ONCE:
            raise asyncio.QueueEmpty
        item = self.pop()
        self._taken += 1
        return item

    def put_nowait(self, item: Any) -> None:
        if self.say is None or not self.say(item):
            self.waits = False
            self._count(item, 1)
            super().put_nowait(item)

    def pop(self) -> Any:
        item = super().pop()
        self._count(item, -1)
        return item

    def is_too_much(self) -> bool:
        return self._messages > MESSAGES or self._other_characters > OTHER_CHARACTERS

    def _count(self, item: Any, sign: int) -> None:
        data = getattr(item, "data", None)
        if not isinstance(data, str):
            return  # the end, a ping, or the body that follows a binary message
        if data[:1] in ("2", "5"):  # an event, of Socket.IO
            self._messages += sign
        else:
            self._other_characters += sign * len(data)
