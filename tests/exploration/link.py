"""A connection between a service and the broker of the small world: two directions, each in order, nothing hidden.

What is under way are plain values, so that the whole world can be copied and compared.
"""

from collections import deque
from typing import Any

from tests.simulation.connection import Connection

Item = tuple[Any, ...]
"""A verb and what belongs to it. Up: what the service asks. Down: what the broker says."""

END: Item = ("end",)


class Link:
    """`severed`: nothing passes, though neither side may know yet. `lost`: the service is done with it."""

    __slots__ = ("connection", "down", "lost", "name", "severed", "up")

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self.connection = connection
        self.severed = False
        self.lost = False
        self.up: deque[Item] = deque()
        self.down: deque[Item] = deque()

    def call(self, *item: Any) -> None:
        """The service says something to the broker."""
        if not self.severed and not self.lost:
            self.up.append(item)

    def say(self, *item: Any) -> None:
        """The broker says something to the service."""
        if not self.severed and not self.lost:
            self.down.append(item)

    def sever(self) -> None:
        """What is under way is lost, and each side learns of it in its own time."""
        self.severed = True
        self.up.clear()
        self.down.clear()

    def leave(self) -> None:
        """The service closes it, or died: what it said before still counts, nothing is heard."""
        self.call(*END)
        self.lost = True
        self.down.clear()

    @property
    def over(self) -> bool:
        return self.lost and self.connection.closed
