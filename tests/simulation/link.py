"""A connection between a simulated service and the simulated broker: two directions, each in order, each late."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tests.simulation.channel import Channel
from tests.simulation.connection import Connection
from tests.simulation.events import Event

if TYPE_CHECKING:
    from tests.simulation.world import World


class Holder(Protocol):
    """Whoever holds a link."""

    def hear(self, link: "Link", fact: Callable[[], None]) -> None:
        """Something arrived; a frozen service hears it later."""

    def on_event(self, link: "Link", channel: Channel, event: Event) -> None: ...

    def link_lost(self, link: "Link") -> None: ...


class Link:
    """`severed`: nothing passes any more, though neither side may know yet."""

    def __init__(self, world: "World", holder: Holder, connection: Connection) -> None:
        self._world = world
        self._holder = holder
        self.connection = connection
        self.severed = False
        self.lost = False  # the holder knows
        self._up = 0.0
        self._down = 0.0
        world.links[connection] = self

    def call(self, act: Callable[[], None]) -> None:
        """Say something to the broker: it happens later, in order, or not at all."""
        if self.severed or self.lost:
            return
        self._up = max(self._up, self._world.now + self._world.delay())
        self._world.at(self._up, lambda: self._act(act))

    def ask(self, act: Callable[[], object], answer: Callable[[object], None]) -> None:
        """An RPC: `answer` gets what `act` returned."""

        def both() -> None:
            result = act()
            self._say(lambda: answer(result))

        self.call(both)

    def said(self, channel: Channel, event: Event) -> None:
        """The broker said something on a channel."""
        self._say(lambda: self._holder.on_event(self, channel, event))

    def sever(self) -> None:
        """The network between is cut: each side learns of it in its own time."""
        if self.severed:
            return
        self.severed = True
        self._world.later(self._world.random.uniform(0, 16), self.connection.cut)
        self._world.later(self._world.random.uniform(0, 16), self.tell_lost)

    def closed_by_broker(self) -> None:
        self._world.at(max(self._down, self._world.now) + self._world.delay(), self.tell_lost)

    def holder_died(self) -> None:
        """What is on its way still arrives; then the broker sees the end."""
        self.lost = True
        when = max(self._up, self._world.now) + self._world.random.uniform(0, 0.1)
        self._world.at(when, self.connection.cut)

    def close(self) -> None:
        """The holder closes it; what was said before still counts."""
        self.call(self.connection.close)
        self.lost = True

    def tell_lost(self) -> None:
        if not self.lost:
            self._holder.hear(self, self._learn)

    def _learn(self) -> None:
        if not self.lost:
            self.lost = True
            self._holder.link_lost(self)

    def _act(self, act: Callable[[], None]) -> None:
        if not self.severed and not self.connection.closed:
            act()

    def _say(self, fact: Callable[[], None]) -> None:
        if self.severed:
            return
        self._down = max(self._down, self._world.now + self._world.delay())
        self._world.at(self._down, lambda: self._arrive(fact))

    def _arrive(self, fact: Callable[[], None]) -> None:
        if not self.severed and not self.lost:
            self._holder.hear(self, lambda: None if self.lost else fact())
