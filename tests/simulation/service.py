"""What the simulated services have in common: they can be killed, frozen and thawed, and they tick."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.link import Link

if TYPE_CHECKING:
    from tests.simulation.world import World

STALL_SECONDS = 10.0
"""A stall longer than the heartbeat: whoever notices one starts over."""


class Service:
    """A process. `tick_seconds` is how often its core is told the time."""

    tick_seconds = 0.2

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.name = name
        self.alive = True
        self.frozen = False
        self._unheard: deque[Callable[[], None]] = deque()
        self._frozen_at = 0.0
        world.later(world.random.uniform(0, self.tick_seconds), self._tick)

    def hear(self, link: Link, fact: Callable[[], None]) -> None:
        self.soon(fact)

    def soon(self, fact: Callable[[], None]) -> None:
        """This happens in this process: not when it is dead, later when it is frozen."""
        if self.frozen:
            self._unheard.append(fact)
        elif self.alive:
            fact()

    def freeze(self, seconds: float) -> None:
        if self.frozen or not self.alive:
            return
        self.frozen = True
        self._frozen_at = self.world.now
        for link in self.links():
            if seconds > STALL_SECONDS or self.world.random.random() < 0.2:
                self.world.later(self.world.random.uniform(8, 16), lambda link=link: self._heartbeat_missed(link))  # type: ignore[misc]  # a default argument
        self.world.later(seconds, self.thaw)

    def thaw(self) -> None:
        if not self.frozen:
            return
        self.frozen = False
        first = self.world.random.random() < 0.5
        stalled = self.world.now - self._frozen_at > STALL_SECONDS
        if stalled and first:
            self.stalled()
        while self._unheard and not self.frozen:
            self._unheard.popleft()()
        if stalled and not first:
            self.stalled()

    def kill(self) -> None:
        self.alive = False
        self.frozen = False
        self._unheard.clear()
        for link in self.links():
            link.holder_died()

    def links(self) -> list[Link]:
        raise NotImplementedError

    def stalled(self) -> None:
        raise NotImplementedError

    def tick(self) -> None:
        raise NotImplementedError

    def _heartbeat_missed(self, link: Link) -> None:
        if self.frozen and not link.connection.closed:
            link.connection.cut()
            link.closed_by_broker()

    def _tick(self) -> None:
        if not self.alive:
            return
        if not self.frozen:
            self.tick()
        self.world.later(self.tick_seconds, self._tick)
