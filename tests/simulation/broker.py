"""A deterministic, synchronous model of RabbitMQ as far as restante uses it; it passes RabbitMQ's contract tests.

Calls act at once. What the broker does in its own time, namely each queue learning that a channel or its
owner went down, waits in `pending`: the world picks the order. Time comes in through `advance`. Delays,
faults and chance are the world's; there is none here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from heapq import heappop, heappush

from tests.simulation.channel import Channel
from tests.simulation.connection import Connection
from tests.simulation.events import Message
from tests.simulation.queue import Queue


class BrokerDown(Exception):
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class ChannelDown:
    """`queue` has yet to learn that `channel` ended."""

    queue: Queue
    channel: Channel


@dataclass(frozen=True, slots=True)
class OwnerDown:
    """The exclusive `queue` has yet to learn that its connection ended."""

    queue: Queue


Notice = ChannelDown | OwnerDown


class Exchange:
    """`bound` has the names of the queues by routing key (a fanout exchange has them all under "")."""

    __slots__ = ("alternate", "bound", "kind")

    def __init__(self, kind: str, alternate: str | None) -> None:
        self.kind = kind
        self.alternate = alternate
        self.bound: dict[str, dict[Queue, None]] = {}


class Broker:
    """`spoken` has every channel that got events since the world last emptied it, so that nobody need scan.

    `quorum_queues`: every queue that is not exclusive is one, as with BROKER_QUEUE_TYPE=quorum.
    """

    def __init__(self, *, quorum_queues: bool = False) -> None:
        self.quorum_queues = quorum_queues
        self.now = 0.0
        self.running = True
        self.queues: dict[str, Queue] = {}
        self.exchanges: dict[str, Exchange] = {}
        self.connections: dict[Connection, None] = {}
        self.pending: list[Notice] = []
        self.spoken: dict[Channel, None] = {}
        self._expiries: list[tuple[float, int, Queue]] = []
        self._expiries_pushed = 0

    def connect(self, name: str) -> Connection:
        """Raises BrokerDown."""
        if not self.running:
            raise BrokerDown
        connection = Connection(self, name)
        self.connections[connection] = None
        return connection

    def run(self, notice: int | Notice) -> None:
        """Let one queue learn what it has not learned yet: an item of `pending`, or its index."""
        index = notice if isinstance(notice, int) else self.pending.index(notice)
        match self.pending.pop(index):
            case ChannelDown(queue, channel):
                if not queue.deleted:
                    queue.channel_down(channel, self.now)
            case OwnerDown(queue):
                self._delete(queue)

    def settle(self) -> None:
        """Let every queue learn everything, in order."""
        while self.pending:
            self.run(0)

    def advance(self, now: float) -> None:
        """It is `now` (seconds). Messages at the head of a queue whose time is up are dropped."""
        self.now = now
        while self._expiries and self._expiries[0][0] <= now:
            queue = heappop(self._expiries)[2]
            if self.running and not queue.deleted:
                queue.deliver(now)

    def delete_queue(self, name: str) -> None:
        """What an operator does. A queue that is not there is no error."""
        if (queue := self.queues.get(name)) is not None:
            self._delete(queue)

    def purge_queue(self, name: str) -> int:
        """How many messages were dropped: those that were ready."""
        return self.queues[name].purge()

    def stop(self) -> None:
        """All connections die; durable queues keep their persistent messages. Idempotent."""
        if not self.running:
            return
        self.running = False
        self.pending.clear()
        for connection in self.connections:
            connection.closed = True
            for channel in connection.channels:
                channel.closed = True
            connection.channels.clear()
        self.connections.clear()
        for queue in [*self.queues.values()]:
            if queue.owner is not None:
                self._delete(queue)
            else:
                queue.restart()

    def start(self) -> None:
        """After `stop`. Idempotent."""
        self.running = True
        for queue in self.queues.values():
            queue.drop_expired(self.now)

    # What follows is for channels and connections.

    def declare_exchange(self, name: str, kind: str, alternate: str | None) -> bool:
        """Whether it is there now as described."""
        exchange = self.exchanges.setdefault(name, Exchange(kind, alternate))
        return (exchange.kind, exchange.alternate) == (kind, alternate)

    def bind(self, queue: str, exchange: str, routing_key: str) -> bool:
        """Whether there is such an exchange. Idempotent."""
        found = self.exchanges.get(exchange)
        if found is None:
            return False
        key = "" if found.kind == "fanout" else routing_key
        found.bound.setdefault(key, {})[self.queues[queue]] = None
        return True

    def route(self, exchange: str, routing_key: str) -> Collection[Queue] | None:
        """The queues that get a message; None when there is no such exchange."""
        if exchange == "":
            queue = self.queues.get(routing_key)
            return () if queue is None else (queue,)
        found = self.exchanges.get(exchange)
        if found is None:
            return None
        queues = found.bound.get("" if found.kind == "fanout" else routing_key)
        if queues:
            return queues
        return () if found.alternate is None else self.route(found.alternate, routing_key) or ()

    def put(self, queue: Queue, message: Message) -> None:
        expires_at = queue.put(message, self.now)
        if expires_at is not None:
            self._expiries_pushed += 1
            heappush(self._expiries, (expires_at, self._expiries_pushed, queue))

    def channel_ended(self, channel: Channel) -> None:
        queues = {consumer.queue: None for consumer in channel.consumers.values()}
        queues.update((consumer.queue, None) for consumer in channel.unacked.values())
        self.pending += [ChannelDown(queue, channel) for queue in queues if not queue.deleted]

    def connection_ended(self, connection: Connection) -> None:
        del self.connections[connection]
        for channel in [*connection.channels]:
            channel.close()
        self.pending += [OwnerDown(queue) for queue in self.queues.values() if queue.owner is connection]

    def _delete(self, queue: Queue) -> None:
        if queue.deleted:
            return
        del self.queues[queue.name]
        for exchange in self.exchanges.values():
            for key in [key for key, queues in exchange.bound.items() if queue in queues]:
                del exchange.bound[key][queue]
                if not exchange.bound[key]:
                    del exchange.bound[key]
        queue.delete()
