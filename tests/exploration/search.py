"""Every state that the small world can reach, fault by fault: each is visited once, with as few faults as reach it.

Beside what each step checks by itself, from every state the end must be within reach without another fault
(I7): what cannot be left any more, be it a stop or a circle, is a violation too.
"""

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.exploration.canonical import fingerprint
from tests.exploration.choices import events, faults
from tests.exploration.frozen import freeze, thaw
from tests.exploration.link import Item
from tests.exploration.world import SmallWorld
from tests.simulation.history import Violation


@dataclass(slots=True)
class Found:
    """`states`: by the number of faults that it takes to reach them. `complete`: none within the bounds is missing."""

    states: list[int] = field(default_factory=list)
    steps: int = 0
    ends: int = 0
    complete: bool = True
    violation: str | None = None
    trace: list[Item] = field(default_factory=list)


class Exploration:
    """`faults`: how many can come, one after the other. `most_seconds`: stop after so long, and say so."""

    def __init__(
        self,
        start: SmallWorld,
        faults: int,
        *,
        most_seconds: float = float("inf"),
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._start = start
        self._faults = faults
        self._until = time.monotonic() + most_seconds
        self._say = say
        self._numbers: dict[int, int] = {}  # of the states, by their fingerprints
        self._parents = array("q")
        self._via: list[Item] = []
        self._edges = (array("q"), array("q"))  # from and to; faults are none
        self._ends = array("q")  # states at the end, and those that were not looked into
        self._kept: list[tuple[int, bytes]] = []  # the states of this layer, to put faults on
        self._keeping = False
        self.found = Found()

    def run(self) -> Found:
        try:
            for fault in range(self._faults + 1):
                self._layer(fault)
        except Violation as violation:
            self.found.violation = str(violation)
        return self.found

    def _layer(self, fault: int) -> None:
        before, self._kept = self._kept, []
        self._keeping = fault < self._faults
        first = len(self._numbers)
        if fault == 0:
            self._explore(self._start, -1, ("start",))
        for done, (number, packed) in enumerate(before):
            if not done % 100:
                self._say(f"{fault} faults: {len(self._numbers) - first} states, {done} of {len(before)} broken")
            for event in faults(thaw(packed)):
                self._explore(thaw(packed), number, event)
            if self._late():
                break
        self.found.states.append(len(self._numbers) - first)
        self._check_that_all_can_end()

    def _explore(self, world: SmallWorld, parent: int, event: Item) -> None:
        """Make it happen, and then everything that can follow without another fault."""
        number = self._step(world, parent, event, fault=True)
        stack: list[tuple[int, Item, SmallWorld | bytes]] = []
        while True:
            if number is not None:
                following = [] if self._late() else self._following(world, number)
                if not following:
                    self._ends.append(number)
                    self.found.ends += 1
                packed = freeze(world) if self._keeping or len(following) > 1 else b""
                if self._keeping:
                    self._kept.append((number, packed))
                stack += [(number, event, packed) for event in following[1:]]
                stack += [(number, event, world) for event in following[:1]]
            if not stack:
                return
            parent, event, state = stack.pop()
            world = thaw(state) if isinstance(state, bytes) else state
            number = self._step(world, parent, event, fault=False)

    def _step(self, world: SmallWorld, parent: int, event: Item, *, fault: bool) -> int | None:
        """The number of the state that was reached, if it is new."""
        try:
            if event != ("start",):
                world.do(event)
        except Violation:
            self.found.trace = [*self._trace(parent), event]
            raise
        self.found.steps += 1
        mark = fingerprint(world)
        number = self._numbers.setdefault(mark, len(self._numbers))
        new = number == len(self._parents)
        if new:
            self._parents.append(parent)
            self._via.append(event)
        if not fault:
            self._edges[0].append(parent)
            self._edges[1].append(number)
        return number if new else None

    def _following(self, world: SmallWorld, number: int) -> list[Item]:
        try:
            return events(world)
        except Violation:
            self.found.trace = self._trace(number)
            raise

    def _trace(self, number: int) -> list[Item]:
        path: list[Item] = []
        while number > 0:
            path.append(self._via[number])
            number = self._parents[number]
        return path[::-1]

    def _late(self) -> bool:
        if time.monotonic() > self._until:
            self.found.complete = False
        return not self.found.complete

    def _check_that_all_can_end(self) -> None:
        """Backwards from the ends: whatever is not met goes in circles for ever."""
        before: dict[int, list[int]] = {}
        for start, end in zip(*self._edges, strict=True):
            before.setdefault(end, []).append(start)
        met = bytearray(len(self._numbers) + 1)
        todo = list(self._ends)
        while todo:
            number = todo.pop()
            if number >= 0 and not met[number]:
                met[number] = 1
                todo += before.get(number, [])
        stuck = met.find(0, 0, len(self._numbers))
        if stuck >= 0:
            self.found.trace = self._trace(stuck)
            raise Violation("I7: from here on it goes in circles")
