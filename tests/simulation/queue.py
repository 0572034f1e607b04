"""A queue of the simulated broker: what waits, who holds what, who consumes, in RabbitMQ's order.

What comes back is served before what never left; nothing that was delivered can be younger than that. A
classic queue gives it its old place. A quorum queue serves it in the order in which it came back, so there
a message keeps its place only if all that was delivered before it comes back first.
"""

from collections import deque
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from tests.simulation.events import Cancelled, Delivered, Message

if TYPE_CHECKING:
    from tests.simulation.channel import Channel
    from tests.simulation.connection import Connection


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a redeclaration must repeat to the letter. `ttl_seconds` is x-message-ttl."""

    single_active_consumer: bool = False
    ttl_seconds: float | None = None
    delivery_limit: int | None = None


class Entry:
    """A message at its place in one queue. `returns` counts how often it came back, `turn` orders those that did."""

    __slots__ = ("expires_at", "message", "place", "returns", "turn")

    def __init__(self, place: int, message: Message, expires_at: float | None) -> None:
        self.place = place
        self.message = message
        self.expires_at = expires_at
        self.returns = 0
        self.turn = place

    def __lt__(self, other: "Entry") -> bool:
        return self.turn < other.turn


class Consumer:
    """`unacked` is held against `prefetch` (0: no limit). Without acks there is no limit."""

    __slots__ = ("channel", "no_ack", "prefetch", "queue", "tag", "unacked")

    def __init__(self, channel: "Channel", queue: "Queue", tag: str, prefetch: int, *, no_ack: bool) -> None:
        self.channel = channel
        self.queue = queue
        self.tag = tag
        self.prefetch = 0 if no_ack else prefetch
        self.no_ack = no_ack
        self.unacked = 0

    @property
    def blocked(self) -> bool:
        return self.unacked >= self.prefetch > 0


class Queue:
    """`held` has, for each channel, the entries delivered there and not acked, by delivery tag.

    `expired` and `dropped` are the messages that TTL and the delivery limit took, for the checks.
    """

    __slots__ = (
        "_came_back",
        "_next_place",
        "_next_turn",
        "_untouched",
        "arguments",
        "consumers",
        "deleted",
        "dropped",
        "expired",
        "held",
        "name",
        "owner",
        "quorum",
    )

    def __init__(self, name: str, arguments: Arguments, owner: "Connection | None", *, quorum: bool) -> None:
        self.name = name
        self.arguments = arguments
        self.owner = owner
        self.quorum = quorum
        self.consumers: deque[Consumer] = deque()
        self.held: dict[Channel, dict[int, Entry]] = {}
        self.expired: list[Message] = []
        self.dropped: list[Message] = []
        self.deleted = False
        self._untouched: deque[Entry] = deque()
        self._came_back: list[Entry] = []
        self._next_place = 0
        self._next_turn = 0

    @property
    def ready(self) -> list[Message]:
        """What waits, in order."""
        return [entry.message for entry in (*sorted(self._came_back), *self._untouched)]

    @property
    def unacked(self) -> list[Message]:
        """What some channel holds, in the order of the queue."""
        entries = [entry for held in self.held.values() for entry in held.values()]
        return [entry.message for entry in sorted(entries, key=lambda entry: entry.place)]

    @property
    def ready_count(self) -> int:
        return len(self._came_back) + len(self._untouched)

    @property
    def consumer_count(self) -> int:
        """What a declaration says: a quorum queue does not count those that wait to become the active one."""
        count = len(self.consumers)
        return min(count, 1) if self.quorum and self.arguments.single_active_consumer else count

    @property
    def unacked_count(self) -> int:
        return sum(map(len, self.held.values()))

    def __repr__(self) -> str:
        counts = f"{self.ready_count} ready, {self.unacked_count} unacked, {len(self.consumers)} consumers"
        return f"<Queue {self.name}: {counts}>"

    def put(self, message: Message, now: float) -> float | None:
        """Append a message; when it expires, if ever, for the broker's clock."""
        lifetime, limit = message.expiration, self.arguments.ttl_seconds
        if lifetime is None or (limit is not None and limit < lifetime):
            lifetime = limit
        expires_at = None if lifetime is None else now + lifetime
        self._untouched.append(Entry(self._next_place, message, expires_at))
        self._next_place += 1
        self.deliver(now)
        return expires_at

    def deliver(self, now: float) -> None:
        """Hand out from the head what the consumers have room for."""
        self.drop_expired(now)
        consumers = self.consumers
        while (self._came_back or self._untouched) and consumers:
            if not (consumer := consumers[0]).blocked:
                if not self.arguments.single_active_consumer:
                    consumers.rotate(-1)
            elif self.arguments.single_active_consumer or not self._to_the_front_with_room():
                return
            else:
                continue
            entry = heappop(self._came_back) if self._came_back else self._untouched.popleft()
            self._hand_over(entry, consumer)
            self.drop_expired(now)

    def _to_the_front_with_room(self) -> bool:
        """Turn the round until a consumer with room is next; false when there is none."""
        for turns, consumer in enumerate(self.consumers):
            if not consumer.blocked:
                self.consumers.rotate(-turns)
                return True
        return False

    def _hand_over(self, entry: Entry, consumer: Consumer) -> None:
        # The channel may be gone without this queue knowing: it then holds the entry until it learns.
        channel = consumer.channel
        tag = channel.next_tag()
        if not consumer.no_ack:
            consumer.unacked += 1
            held = self.held.get(channel)
            if held is None:
                held = self.held[channel] = {}
            held[tag] = entry
            channel.unacked[tag] = consumer
        channel.say(Delivered(consumer.tag, tag, entry.returns > 0, entry.message))

    def ack(self, channel: "Channel", tag: int, now: float) -> None:
        self._release(channel, tag)
        self.deliver(now)

    def nack(self, channel: "Channel", tag: int, now: float) -> None:
        self._give_back(self._release(channel, tag))
        self.deliver(now)

    def _release(self, channel: "Channel", tag: int) -> Entry:
        held = self.held[channel]
        entry = held.pop(tag)
        if not held:
            del self.held[channel]
        return entry

    def _give_back(self, entry: Entry) -> None:
        entry.returns += 1
        limit = self.arguments.delivery_limit
        if limit is not None and entry.returns > limit:
            self.dropped.append(entry.message)
        else:
            if self.quorum:
                self._next_turn += 1
                entry.turn = self._next_turn
            heappush(self._came_back, entry)

    def add(self, consumer: Consumer, now: float) -> None:
        self.consumers.append(consumer)
        self.deliver(now)

    def remove(self, consumer: Consumer, now: float) -> None:
        """The next single active consumer takes over at once, although this one's messages are still out."""
        self.consumers.remove(consumer)
        self.deliver(now)

    def channel_down(self, channel: "Channel", now: float) -> None:
        """Take everything back before anybody else is served: that is what makes a hand-over keep order."""
        for entry in self.held.pop(channel, {}).values():
            self._give_back(entry)
        self.consumers = deque(consumer for consumer in self.consumers if consumer.channel is not channel)
        self.deliver(now)

    def drop_expired(self, now: float) -> None:
        """Only the head expires: what waits behind a longer-lived message, or is held, does not."""
        while self._came_back or self._untouched:
            head = self._came_back[0] if self._came_back else self._untouched[0]
            if head.expires_at is None or head.expires_at > now:
                return
            self.expired.append(head.message)
            if self._came_back:
                heappop(self._came_back)
            else:
                self._untouched.popleft()

    def purge(self) -> int:
        """Drop what is ready; what is held stays held."""
        count = self.ready_count
        self._came_back.clear()
        self._untouched.clear()
        return count

    def delete(self) -> None:
        """End every consumer. Its messages are gone; acks for those that are out will do no harm."""
        self.deleted = True
        for consumer in self.consumers:
            consumer.channel.forget(consumer)
            consumer.channel.say(Cancelled(consumer.tag))
        self.consumers.clear()

    def restart(self) -> None:
        """What a broker restart leaves: persistent messages (in a quorum queue all are), nobody who consumes."""
        for held in self.held.values():
            for entry in held.values():
                self._give_back(entry)
        self.held.clear()
        self.consumers.clear()
        if not self.quorum:
            self._came_back = [entry for entry in sorted(self._came_back) if entry.message.persistent]
            self._untouched = deque(entry for entry in self._untouched if entry.message.persistent)
