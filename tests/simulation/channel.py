"""A channel of the simulated broker. Every call acts at once; what the client learns is in `events`.

A call on a channel that is closed does nothing, as a frame for a dead channel does nothing.
"""

from collections import deque
from typing import TYPE_CHECKING

from tests.simulation.events import CancelOk, ChannelClosed, Confirmed, Event, Message, Returned
from tests.simulation.queue import Arguments, Consumer, Queue

if TYPE_CHECKING:
    from tests.simulation.broker import Broker
    from tests.simulation.connection import Connection


class Channel:
    """`unacked` says which consumer each open delivery tag was delivered to."""

    __slots__ = ("_prefetch", "_tags", "broker", "closed", "connection", "consumers", "events", "unacked")

    def __init__(self, broker: "Broker", connection: "Connection") -> None:
        self.broker = broker
        self.connection = connection
        self.closed = connection.closed
        self.events: deque[Event] = deque()
        self.consumers: dict[str, Consumer] = {}
        self.unacked: dict[int, Consumer] = {}
        self._prefetch = 0
        self._tags = 0

    def __repr__(self) -> str:
        return f"<Channel of {self.connection.name}{' closed' if self.closed else ''}>"

    def declare_exchange(self, name: str, kind: str, alternate: str | None = None) -> None:
        if not self.closed and not self.broker.declare_exchange(name, kind, alternate):
            self._fail(406, f"inequivalent arguments for exchange '{name}'")

    def declare_queue(
        self,
        name: str,
        *,
        exclusive: bool = False,
        single_active_consumer: bool = False,
        ttl_seconds: float | None = None,
        delivery_limit: int | None = None,
    ) -> tuple[int, int] | None:
        """How many messages are ready and how many consumers there are.

        None when the channel is closed, or was closed by this. Non-exclusive queues are durable.
        """
        if self.closed:
            return None
        arguments = Arguments(single_active_consumer, ttl_seconds, delivery_limit)
        owner = self.connection if exclusive else None
        queue = self.broker.queues.get(name)
        if queue is None:
            quorum = self.broker.quorum_queues and not exclusive
            queue = self.broker.queues[name] = Queue(name, arguments, owner, quorum=quorum)
        elif queue.owner is not owner:
            self._fail(405, f"cannot obtain exclusive access to queue '{name}'")
            return None
        elif queue.arguments != arguments:
            self._fail(406, f"inequivalent arguments for queue '{name}'")
            return None
        return queue.ready_count, queue.consumer_count

    def bind(self, queue: str, exchange: str, routing_key: str = "") -> None:
        if self.closed or self._queue(queue) is None:
            return
        if not self.broker.bind(queue, exchange, routing_key):
            self._fail(404, f"no exchange '{exchange}'")

    def publish(
        self, exchange: str, routing_key: str, message: Message, *, mandatory: bool = False, confirm: object = None
    ) -> None:
        """`confirm` is the caller's token for `Confirmed` and `Returned`; without one nothing is confirmed."""
        if self.closed:
            return
        queues = self.broker.route(exchange, routing_key)
        if queues is None:
            self._fail(404, f"no exchange '{exchange}'")
            return
        for queue in queues:
            self.broker.put(queue, message)
        if mandatory and not queues:
            self.say(Returned(confirm, exchange, routing_key, message))
        if confirm is not None:
            self.say(Confirmed(confirm))

    def qos(self, prefetch: int) -> None:
        """For each consumer made from now on. 0: no limit."""
        self._prefetch = prefetch

    def consume(self, queue: str, consumer_tag: str, *, no_ack: bool = False) -> None:
        if self.closed or (found := self._queue(queue)) is None:
            return
        consumer = Consumer(self, found, consumer_tag, self._prefetch, no_ack=no_ack)
        self.consumers[consumer_tag] = consumer
        found.add(consumer, self.broker.now)

    def cancel(self, consumer_tag: str) -> None:
        """What this consumer holds stays out until it is acked, nacked, or the channel ends."""
        if self.closed:
            return
        consumer = self.consumers.pop(consumer_tag, None)
        if consumer is not None:
            consumer.queue.remove(consumer, self.broker.now)
        self.say(CancelOk(consumer_tag))

    def ack(self, tag: int) -> None:
        if (consumer := self._settle(tag)) is not None:
            consumer.queue.ack(self, tag, self.broker.now)

    def nack(self, tag: int) -> None:
        """The message goes back to its place."""
        if (consumer := self._settle(tag)) is not None:
            consumer.queue.nack(self, tag, self.broker.now)

    def close(self) -> None:
        """Idempotent. Each queue learns of it by itself, later: see `Broker.pending`."""
        if not self.closed:
            self.closed = True
            self.connection.channels.pop(self, None)
            self.broker.channel_ended(self)

    def next_tag(self) -> int:
        self._tags += 1
        return self._tags

    def say(self, event: Event) -> None:
        if not self.closed:
            self.events.append(event)
            self.broker.spoken[self] = None

    def forget(self, consumer: Consumer) -> None:
        """The consumer's queue is gone."""
        self.consumers.pop(consumer.tag, None)

    def _settle(self, tag: int) -> Consumer | None:
        """Whose delivery this is; None when there is no more to do. A deleted queue takes it and nobody sees it."""
        if self.closed:
            return None
        consumer = self.unacked.pop(tag, None)
        if consumer is None:
            self._fail(406, f"unknown delivery tag {tag}")
            return None
        consumer.unacked -= 1
        return consumer

    def _queue(self, name: str) -> Queue | None:
        queue = self.broker.queues.get(name)
        if queue is None:
            self._fail(404, f"no queue '{name}'")
        elif queue.owner is not None and queue.owner is not self.connection:
            self._fail(405, f"cannot obtain exclusive access to queue '{name}'")
            return None
        return queue

    def _fail(self, code: int, reason: str) -> None:
        self.say(ChannelClosed(code, reason))
        self.close()
