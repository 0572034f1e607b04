"""Walking through a state and saying what is there: names as they are met, numbers by their rank."""

from collections.abc import Callable
from typing import Any, ClassVar


class Walk:
    """`tokens` is what was said. `ways` has how to walk through each type; everything else is said as it is."""

    ways: ClassVar[dict[type, Callable[[Any, Any], None]]] = {}

    def __init__(self) -> None:
        self.tokens: list[object] = []
        self._say = self.tokens.append
        self._names: dict[str, int] = {}
        self._met: dict[int, int] = {}
        self._ranked: dict[tuple[str, int], list[tuple[int, int]]] = {}

    def put_ranks(self) -> None:
        """Once everything was met."""
        for places in self._ranked.values():
            ranks = {number: rank for rank, number in enumerate(sorted({number for _, number in places}))}
            for place, number in places:
                self.tokens[place] = ranks[number]

    def _rank(self, kind: str, of: object, number: int) -> None:
        self._ranked.setdefault((kind, id(of)), []).append((len(self.tokens), number))
        self._say(0)

    def _again(self, thing: object) -> bool:
        """Whether it was met before; says which it is."""
        number = self._met.get(id(thing))
        if number is None:
            self._say(-1)
            self._met[id(thing)] = len(self._met)
            return False
        self._say(number)
        return True

    def _name(self, name: str) -> None:
        self._say(self._names.setdefault(name, len(self._names)) if "~" in name else name)

    def _names_of(self, names: Any) -> None:
        """A set: in an order that the state gives."""
        self._say(sorted(self._names.setdefault(name, len(self._names)) for name in names))

    def _any(self, thing: Any) -> None:
        walk = self.ways.get(type(thing))
        if walk is not None:
            walk(self, thing)
        else:
            self._say(thing)

    def _all(self, things: Any) -> None:
        self._say(len(things))
        for thing in things:
            self._any(thing)
