"""A dispatcher in the simulation: the real core over the simulated broker, as `dispatcher/` has it over RabbitMQ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dispatcher.core.delivery import Arrival
from dispatcher.core.dispatcher import Dispatcher
from shared import names
from shared.message import Content, DeadLetter, Reason, Receipt
from shared.wire import Batch, Entry, Lease, LeaseKind, encode_lease
from tests.simulation.channel import Channel
from tests.simulation.events import Cancelled, CancelOk, ChannelClosed, Confirmed, Delivered, Event, Returned
from tests.simulation.history import Post
from tests.simulation.link import Link
from tests.simulation.service import Service

if TYPE_CHECKING:
    from tests.simulation.world import World

LEAVE_SECONDS = 2.0


@dataclass(slots=True, eq=False)
class Parcel:
    """Anything internal that is published."""

    body: object
    expiration: float | None = None
    persistent: bool = True


class Generation:
    """One set of connections with its core; implements the core's port."""

    def __init__(self, node: "DispatcherNode", number: int) -> None:
        world = node.world
        self.node = node
        self.world = world
        self.over = False
        self.inbox = names.dispatcher_inbox(f"{node.name}{number}")
        self.consuming, self.publishing, self.admin = (
            Link(world, self, world.broker.connect(f"{node.name} {role}")) for role in ("consume", "publish", "admin")
        )
        self.core = Dispatcher(
            self,
            window=world.window,
            max_attempts=world.max_attempts,
            linger_seconds=2.0,
            hold_seconds=world.hold_seconds,
            lease_seconds=world.lease_seconds,
            partitions=world.partitions,
        )
        self._channels: dict[int, Channel] = {}
        self._numbers: dict[Channel, int] = {}
        self._outboxes: dict[str, list[Entry]] = {}
        self._tokens = 0
        self._records: dict[object, Callable[[], None]] = {}
        self._fresh = 0
        self._quiet: set[Channel] = set()
        self._unmended: set[int] = set()
        self._inbox_channel = self.consuming.connection.channel()
        self._publish_channel = self.publishing.connection.channel()
        self._admin_channel = self.admin.connection.channel()
        channel = self._inbox_channel

        def open_inbox() -> None:
            channel.declare_queue(self.inbox, exclusive=True)
            channel.bind(self.inbox, names.DISPATCHERS_EXCHANGE, self.inbox)
            channel.consume(self.inbox, "outcomes", no_ack=True)
            channel.declare_queue(names.CENSUS)
            channel.consume(names.CENSUS, "census", no_ack=True)

        self.consuming.ask(open_inbox, lambda _: self.core.start(world.now))

    # --- what the broker says ------------------------------------------------------------

    def hear(self, link: Link, fact: Callable[[], None]) -> None:
        self.node.soon(lambda: None if self.over else fact())

    def link_lost(self, link: Link) -> None:
        self.node.start_over(link)

    def on_event(self, link: Link, channel: Channel, event: Event) -> None:
        now = self.world.now
        partition = self._numbers.get(channel, -1)
        match event:
            case Delivered("outcomes", message=Parcel(body=list(outcomes))):
                self.core.outcomes(outcomes, now)
            case Delivered("lease", tag=tag, message=Parcel(body=bytes(body))) if partition >= 0:
                self.core.leased(partition, tag, body, now)
            case Delivered(consumer, tag, redelivered, Post() as post) if partition >= 0:
                self.core.arrived(partition, consumer, self._arrival(tag, redelivered, post), now)
            case CancelOk(consumer) if partition >= 0:
                self.core.cancelled(consumer, now)
            case Cancelled("lease") if partition >= 0:
                self._drop_channel(partition)
                link.call(channel.close)
                self._lost(partition, now)
            case Cancelled(consumer) if partition >= 0:
                self.core.consumer_lost(consumer, now)
            case ChannelClosed() if partition >= 0:
                self._drop_channel(partition)
                self._lost(partition, now)
            case Returned(exchange=names.GATEWAYS_EXCHANGE, routing_key=inbox):
                self.core.returned(inbox, now)
            case Confirmed(token) if token in self._records:
                self._records.pop(token)()
            case _:
                pass

    def _arrival(self, tag: int, redelivered: bool, post: Post) -> Arrival:
        if post.bad:
            return Arrival(tag, redelivered, DeadLetter(Reason.BAD_BODY, "bad"), post.reply_to, post)
        self._fresh += 1
        message = post.message_id or f"{self.inbox}-{self._fresh}"
        return Arrival(tag, redelivered, Content(message, b"%d|" % post.uid), post.reply_to, post)

    def _drop_channel(self, partition: int) -> None:
        channel = self._channels.pop(partition, None)
        if channel is not None:
            del self._numbers[channel]

    # --- the port ------------------------------------------------------------------------

    def ack(self, partition: int, tag: int) -> None:
        channel = self._channels[partition]
        self.consuming.call(lambda: self.world.ack(channel, tag))

    def nack(self, partition: int, tag: int) -> None:
        channel = self._channels[partition]
        self.consuming.call(lambda: self.world.nack(channel, tag))

    def declare(self, user: str) -> None:
        channel = self._admin_channel

        def act() -> None:
            self.world.declare_user(channel, user)

        self.admin.ask(act, lambda _: self.core.declared(user, self.world.now))

    def consume(self, partition: int, user: str) -> None:
        channel = self._channels[partition]
        if channel not in self._quiet:
            self.consuming.call(lambda: channel.consume(names.user_queue(user), user))

    def cancel(self, partition: int, user: str) -> None:
        channel = self._channels[partition]
        self.consuming.call(lambda: channel.cancel(user))

    def tell(self, inbox: str, entry: Entry) -> None:
        outbox = self._outboxes.setdefault(inbox, [])
        outbox.append(entry)
        if len(outbox) == 1:
            self.world.later(self.world.delay(), lambda: self.node.soon(lambda: self._flush(inbox)))

    def _flush(self, inbox: str) -> None:
        entries = tuple(self._outboxes.pop(inbox, ()))
        if not self.over:
            self._publish(names.GATEWAYS_EXCHANGE, inbox, Parcel(Batch(self.inbox, self.world.window, entries)))

    def probe(self, inbox: str) -> None:
        self._publish(names.GATEWAYS_EXCHANGE, inbox, Parcel(Batch(self.inbox, self.world.window)))

    def _publish(self, exchange: str, key: str, parcel: Parcel, token: object = None) -> None:
        channel = self._publish_channel
        self.publishing.call(lambda: channel.publish(exchange, key, parcel, mandatory=True, confirm=token))

    def record(
        self, ticket: int, user: str, arrival: Arrival, letter: DeadLetter | None, receipt: Receipt | None
    ) -> None:
        post = arrival.original
        assert isinstance(post, Post)

        def recorded() -> None:
            self.core.recorded(ticket, self.world.now)

        def send_receipt() -> None:
            self._record(lambda: self.world.history.receipts.add(post.uid), names.RECEIPTS, recorded)

        then = recorded if receipt is None else send_receipt
        if letter is None:
            then()
        else:
            self._record(lambda: self.world.history.buried(post.uid), names.DEAD_LETTERS, then)

    def _record(self, note: Callable[[], object], exchange: str, then: Callable[[], None]) -> None:
        self._tokens += 1
        token = (self.inbox, self._tokens)
        self._records[token] = then
        channel = self._publish_channel

        def act() -> None:
            note()
            channel.publish(exchange, "", Parcel(None), confirm=token)

        self.publishing.call(act)

    def enter(self, partition: int) -> None:
        channel = self.consuming.connection.channel()
        self._channels[partition] = channel
        self._numbers[channel] = partition
        queue = names.sessions_queue(partition)

        def act() -> None:
            channel.consume(queue, "lease")
            channel.qos(self.world.window)

        if partition in self._unmended:  # the queue is declared before it is consumed
            self._unmended.discard(partition)
            self.consuming.ask(lambda: None, lambda _: self.core.partition_mended(partition, self.world.now))
        hello = Parcel(encode_lease(Lease(kind=LeaseKind.HELLO)))
        self.consuming.ask(act, lambda _: self._publish(names.SESSIONS_EXCHANGE, queue, hello))

    def _lost(self, partition: int, now: float) -> None:
        self._unmended.add(partition)
        self.core.partition_lost(partition, now)

    def leave(self, partition: int) -> None:
        channel = self._channels[partition]
        self._drop_channel(partition)
        self.consuming.ask(channel.close, lambda _: self.core.left(partition, self.world.now))

    def take_no_more(self, partition: int) -> None:
        channel = self._channels[partition]
        self._quiet.add(channel)

        def act() -> None:
            for user in self.world.users:
                channel.cancel(user)

        self.consuming.call(act)

    def count_dispatchers(self) -> None:
        channel = self._admin_channel

        def act() -> object:
            return channel.declare_queue(names.CENSUS)

        def counted(found: object) -> None:
            if isinstance(found, tuple):
                self.core.dispatchers(found[1], self.world.now)

        self.admin.ask(act, counted)


class DispatcherNode(Service):
    """A dispatcher process: one generation after the other."""

    def __init__(self, world: "World", name: str) -> None:
        super().__init__(world, name)
        self._number = 0
        self._counted = world.now
        self._drain_until: float | None = None
        self.generation: Generation | None = None
        self._begin()

    def links(self) -> list[Link]:
        return (
            []
            if self.generation is None
            else [self.generation.consuming, self.generation.publishing, self.generation.admin]
        )

    def start_over(self, link: Link | None = None) -> None:
        """A dispatcher's connections live and die together."""
        if self.generation is None:
            return
        self.generation.over = True
        for mine in self.links():
            mine.close()
        self.generation = None
        self.world.later(self.world.random.uniform(0.05, 1.0), lambda: self.soon(self._begin))

    def stalled(self) -> None:
        self.start_over()

    def drain(self, seconds: float) -> None:
        """Ends once its partitions are given up, or its connections are lost: then nothing is its own any more."""
        self._drain_until = self.world.now + seconds
        self.soon(self._drain)

    def _drain(self) -> None:
        if self.generation is None or self._drain_until is None:
            self.kill()
            return
        channel = self.generation._inbox_channel
        self.generation.consuming.call(lambda: channel.cancel("census"))
        self.generation.core.drain(self._drain_until, self.world.now)

    def tick(self) -> None:
        if self._drain_until is not None:
            drained = self.generation is None or self.generation.core.drained
            if drained or self.world.now > self._drain_until + LEAVE_SECONDS:
                self.kill()
                return
        if self.generation is None:
            return
        self.generation.core.tick(self.world.now)
        if self.world.now - self._counted > 2.0:
            self._counted = self.world.now
            self.generation.count_dispatchers()

    def _begin(self) -> None:
        if self.generation is not None:
            return
        if not self.world.broker.running:
            self.world.later(self.world.random.uniform(0.1, 1.0), lambda: self.soon(self._begin))
            return
        self._number += 1
        self.generation = Generation(self, self._number)
