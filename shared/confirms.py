"""What became of each publication on a channel: heard from the frames of the broker as they are read.

Delivery tags count the publications of a channel from 1. A return names none: it brings the message back, before its
confirm, so two with one `message_id` must not be under way together.
"""

import asyncio
from enum import Enum, auto
from itertools import takewhile
from struct import Struct

from shared.broker import BrokerAway
from shared.decoding import properties_of

_METHOD, _HEADER = 1, 2
_ACK, _NACK, _RETURN = 0x3C0050, 0x3C0078, 0x3C0032  # class and method
_SETTLEMENT_BYTES = 13
_MULTIPLE = 1

_method = Struct(">I").unpack_from
_settlement = Struct(">QB").unpack_from


class Fate(Enum):
    HELD = auto()
    REFUSED = auto()
    RETURNED = auto()


Told = asyncio.Future[Fate]


class Confirms:
    """Of one channel, which is used for nothing else: whatever content comes on it was returned."""

    def __init__(self) -> None:
        self._last = 0
        self._unconfirmed: dict[int, tuple[str, Told]] = {}

    def await_next(self, message_id: str, told: Told) -> None:
        """Of the publication that is written next. Whoever waits no more cancels `told`."""
        self._last += 1
        self._unconfirmed[self._last] = message_id, told

    def heard(self, kind: int, data: bytes, start: int, end: int) -> bool:
        """Whether the frame with this payload was one of these, as a `Heed` of the sieve."""
        if kind != _METHOD:
            if kind == _HEADER:
                self._return(properties_of(data[start:end]).message_id)
            return True
        if end - start < _SETTLEMENT_BYTES:
            return False
        (method,) = _method(data, start)
        if method == _RETURN:
            return True  # its content says which
        if method not in (_ACK, _NACK):
            return False
        tag, bits = _settlement(data, start + 4)
        self._settle(tag, Fate.HELD if method == _ACK else Fate.REFUSED, up_to=bool(bits & _MULTIPLE))
        return True

    def lose(self, reason: str) -> None:
        """Nothing more will come: whoever waits is told by a `BrokerAway`."""
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for _, told in unconfirmed.values():
            if not told.done():
                told.set_exception(BrokerAway(reason))

    def _settle(self, tag: int, fate: Fate, *, up_to: bool) -> None:
        for each in list(takewhile(lambda other: other <= tag, self._unconfirmed)) if up_to else (tag,):
            _, told = self._unconfirmed.pop(each, (None, None))
            if told is not None and not told.done():
                told.set_result(fate)

    def _return(self, message_id: str | None) -> None:
        for its_id, told in self._unconfirmed.values():
            if its_id == message_id and not told.done():
                told.set_result(Fate.RETURNED)
                return
