"""What the services say to each other's inboxes: each thing once, in order, whether the broker has an alarm or not.

Everything said to an inbox bears a number. When an alarm begins, what is not confirmed is said again by the side
door, under the same number: the broker may have read it already, or may read it off the blocked connection when the
alarm is over, much later. Whoever listens takes of each speaker only what has a higher number than all before. That
is right because

- what is said to one inbox is confirmed in the order of its numbers, by either way: a number goes by the side door
  only when all before it are confirmed, and as ever only when none before it is on its way by the side door. So
  nothing with a lower number can be new.
- so a late copy cannot bring back what was settled since, count an attempt twice, or come between (I3, I4).

A number that no alarm met costs nothing but the name of the message.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from shared.alarm import Alarm
from shared.broker import Backoff, BrokerAway
from shared.publish import Blocked, ConfirmedPublisher, Nacked, Unanswered
from shared.sidedoor import SideDoor, piece_of

SPEAKERS_KNOWN = 1000

_TRANSIENT = 1


@dataclass(slots=True, eq=False)
class _Said:
    number: int
    body: bytes
    aside: bool
    first: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once all before it are confirmed."""


class Speaker:
    """`name` is fresh for each connection."""

    def __init__(
        self,
        name: str,
        *,
        exchange: str,
        mandatory: bool,
        publisher: ConfirmedPublisher,
        alarm: Alarm,
        side_door: SideDoor,
    ) -> None:
        self._name = name
        self._exchange = exchange
        self._mandatory = mandatory
        self._publisher = publisher
        self._alarm = alarm
        self._side_door = side_door
        self._last = 0
        self._unconfirmed: dict[str, deque[_Said]] = {}

    async def say(self, to: str, body: bytes) -> bool:
        """Returns once the broker has it, however long an alarm takes. Calls for one inbox are served in their order.

        True: a copy of it may come late. Raises `PublishFailed`, or `BrokerAway`.
        """
        self._last += 1
        line = self._unconfirmed.setdefault(to, deque())
        said = _Said(self._last, body, aside=self._alarm.on or any(other.aside for other in line))
        line.append(said)
        late = False
        try:
            if not said.aside:
                try:
                    await self._as_ever(to, said)
                except Blocked:
                    said.aside = late = True
                else:
                    return False
            while line[0] is not said:
                await said.first.wait()
            return await self._alone(to, said) or late
        finally:
            line.remove(said)
            if line:
                line[0].first.set()
            else:
                del self._unconfirmed[to]

    async def _alone(self, to: str, said: _Said) -> bool:
        """All before it are confirmed and nothing after it is under way, so it may take either way."""
        backoff, late = Backoff(), False
        while True:
            try:
                if self._alarm.on:
                    await self._by_the_side_door(to, said)
                else:
                    await self._as_ever(to, said)
            except Blocked:
                late = True
            except (Unanswered, Nacked, BrokerAway):
                if not self._alarm.on:
                    raise
                await backoff.wait()
            else:
                return late

    async def _as_ever(self, to: str, said: _Said) -> None:
        await self._publisher.publish(
            said.body,
            Basic.Properties(message_id=f"{self._name}.{said.number}", delivery_mode=_TRANSIENT),
            exchange=self._exchange,
            routing_key=to,
            mandatory=self._mandatory,
            patient=False,
        )

    async def _by_the_side_door(self, to: str, said: _Said) -> None:
        await self._side_door.publish(
            said.body,
            message_id=f"{self._name}.{said.number}",
            exchange=self._exchange,
            routing_key=to,
            mandatory=self._mandatory,
        )


@dataclass(slots=True)
class _Known:
    last: int = 0
    number: int = 0
    pieces: bytearray = field(default_factory=bytearray)
    """Those of `number` that have come."""


class Listener:
    """For one inbox. Whoever speaks without numbers (another release, an operator's command) is always heard."""

    def __init__(self) -> None:
        self._speakers: dict[str, _Known] = {}

    def heard(self, message: DeliveredMessage) -> bytes | None:
        """What is said with this, if it is new and complete."""
        return self.hear(message.body, message.header.properties)

    def hear(self, body: bytes, properties: Basic.Properties) -> bytes | None:
        """The same for one that did not come by way of aiormq."""
        return self._hear(properties.message_id, *piece_of(body, properties))

    def hear_whole(self, body: bytes, message_id: str | None) -> bytes | None:
        """The same for one that has no headers, so that it came by no side door."""
        return self._hear(message_id, 0, len(body), body)

    def _hear(self, message_id: str | None, at: int, of: int, piece: bytes) -> bytes | None:
        name, _, number = (message_id or "").rpartition(".")
        if not (name and number.isascii() and number.isdigit()):
            return piece
        speaker = self._speakers.pop(name, None) or _Known()
        self._speakers[name] = speaker
        if len(self._speakers) > SPEAKERS_KNOWN:
            del self._speakers[next(iter(self._speakers))]
        return _taken(speaker, int(number), at, of, piece)


def _taken(speaker: _Known, number: int, at: int, of: int, piece: bytes) -> bytes | None:
    if number <= speaker.last:
        return None
    if len(piece) == of:
        speaker.last = number
        return piece
    if number != speaker.number:
        speaker.number, speaker.pieces = number, bytearray()
    if at != len(speaker.pieces):
        return None  # a piece that came before, said again because its confirm did not come
    speaker.pieces += piece
    if len(speaker.pieces) < of:
        return None
    speaker.last, whole = number, bytes(speaker.pieces)
    speaker.pieces = bytearray()
    return whole
