"""The ids that a session confirmed lately, with what its client said: the memory that makes sending again free."""

from collections.abc import Iterable

from shared.wire import NULL

RING_IDS = 256
"""At least twice the largest window (128), so that a whole window and its predecessor are remembered."""

RING_VALUE_BYTES = 65_536
"""How many bytes of confirmed values a ring keeps; beyond that the oldest values become null, the ids stay."""


class Ring:
    """The last 256 ids; adding one beyond that forgets the oldest."""

    __slots__ = ("_bytes", "_values")

    def __init__(self, seen: Iterable[str] = ()) -> None:
        self._values: dict[str, bytes] = {}
        self._bytes = 0
        for message in seen:
            self.add(message, NULL)

    def __contains__(self, message: str) -> bool:
        return message in self._values

    def __len__(self) -> int:
        return len(self._values)

    def value(self, message: str) -> bytes:
        """The JSON that came with the confirmation; `null` when `seen` named the id. The id must be there."""
        return self._values[message]

    def add(self, message: str, value: bytes) -> None:
        self._forget(message)
        while len(self._values) >= RING_IDS:
            self._forget(next(iter(self._values)))
        self._values[message] = value
        self._bytes += len(value)
        if self._bytes > RING_VALUE_BYTES:
            self._drop_values()

    def _forget(self, message: str) -> None:
        self._bytes -= len(self._values.pop(message, b""))

    def _drop_values(self) -> None:
        for message, value in self._values.items():
            if self._bytes <= RING_VALUE_BYTES:
                return
            self._values[message] = NULL
            self._bytes -= len(value) - len(NULL)
