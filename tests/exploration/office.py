"""A dispatcher of the small world: the real core on three connections, as one generation of `dispatcher/`."""

from typing import TYPE_CHECKING

from dispatcher.core.delivery import Arrival
from dispatcher.core.dispatcher import Dispatcher
from dispatcher.core.partition import Standing
from dispatcher.core.user import Stage
from shared import names
from shared.message import Content, DeadLetter, Receipt
from shared.wire import Batch, Entry, Lease, encode_lease
from tests.exploration.link import Item, Link
from tests.simulation.channel import Channel
from tests.simulation.dispatcher import Parcel
from tests.simulation.events import Cancelled, CancelOk, ChannelClosed, Confirmed, Delivered, Event, Returned
from tests.simulation.history import Post

if TYPE_CHECKING:
    from tests.exploration.world import SmallWorld

NOW = 0.0
"""Time stands still. A timer fires when what it counts from is set to `LONG_AGO` and the core is told the time."""

LONG_AGO = -1e6


class Office:
    """Implements the core's port. What it wants to tell gateways is flushed at the end of each event."""

    def __init__(self, world: "SmallWorld", name: str) -> None:
        self.world = world
        self.name = name
        self.inbox = names.dispatcher_inbox(name)
        self.consuming, self.publishing, self.admin = (
            world.connect(f"{name} {role}") for role in ("consume", "publish", "admin")
        )
        channel = self.consuming.connection.channel()
        channel.declare_queue(self.inbox, exclusive=True)
        channel.bind(self.inbox, names.DISPATCHERS_EXCHANGE, self.inbox)
        channel.consume(self.inbox, "outcomes", no_ack=True)
        self.publishing.connection.channel()
        self.channel: Channel | None = None  # the partition's, None while it has none
        self.outbox: dict[str, list[Entry]] = {}
        self.core = Dispatcher(
            self, window=world.window, max_attempts=world.max_attempts, linger_seconds=2.0, partitions=1
        )
        self.core.start(NOW)

    @property
    def links(self) -> tuple[Link, Link, Link]:
        return self.consuming, self.publishing, self.admin

    @property
    def standby(self) -> bool:
        return not self.core.owned

    def hear(self, item: Item) -> None:
        """The head of one of its links' `down`."""
        match item:
            case ("end",):
                self.world.end_dispatcher(self)
                return
            case ("declared", str(user)):
                self.core.declared(user, NOW)
            case (channel, event):
                self._hear(channel, event)
        self.flush()

    def _hear(self, channel: Channel, event: Event) -> None:
        match event:
            case _ if channel is not self.channel and isinstance(event, Delivered) and event.consumer_tag != "outcomes":
                pass  # of a channel that is no more
            case ChannelClosed():
                self.channel = None
                self.core.partition_lost(0, NOW)
            case Delivered("outcomes", message=Parcel(body=tuple(outcomes))):
                self.core.outcomes(outcomes, NOW)
            case Delivered("lease", tag=tag, message=Parcel(body=Lease() as lease)):
                self.core.leased(0, tag, encode_lease(lease), NOW)
            case Delivered(user, tag, redelivered, Post() as post):
                content = Content(post.key, b"%d|" % post.uid)
                self.core.arrived(0, user, Arrival(tag, redelivered, content, original=post), NOW)
            case CancelOk(user):
                self.core.cancelled(user, NOW)
            case Cancelled(user):
                self.core.consumer_lost(user, NOW)
            case Returned(routing_key=inbox):
                self.core.returned(inbox, NOW)
            case Confirmed(int(ticket)):
                self.core.recorded(ticket, NOW)
            case _:
                raise AssertionError(f"{event} on {channel}")

    def flush(self) -> None:
        for inbox, entries in self.outbox.items():
            self.publishing.call("batch", inbox, Batch(self.inbox, self.world.window, tuple(entries)))
        self.outbox.clear()

    # --- timers --------------------------------------------------------------------------

    def soon(self) -> list[Item]:
        """Timers of less than a second. By the take-over every queue has heard of the old owner's end."""
        taking = self.core._partitions[0].standing is Standing.TAKING
        return [("take-over", self.name)] if taking and not self.world.broker.pending else []

    def later(self) -> list[Item]:
        """Timers of seconds."""
        partition = self.core._partitions[0]
        # Coming back for a partition whose channel failed.
        fires: list[Item] = [("come back", self.name)] if partition.standing is Standing.AWAY else []
        for user in partition.users.values():
            if user.stage is Stage.CONSUMING and not user.sessions:
                fires.append(("linger", self.name, user.name))
            # Two of a dispatcher's deadlines are far longer than the heartbeats that tell of a cut connection.
            deaf = any(link.severed for link in self.links)
            if user.stage not in (Stage.CANCELLING, Stage.RELEASING) and not deaf:
                fires += [("patience", self.name, s.id) for s in user.sessions.values() if s.pending]
        return fires + [
            ("probe", self.name, inbox)
            for inbox in self.core._inboxes._sessions
            if inbox not in self.world.broker.queues  # to one that is there it says nothing new
        ]

    def rarely(self) -> list[Item]:
        """Timers of minutes: each counts as a fault."""
        users = self.core._partitions[0].users.values()
        return [("hold", self.name, u.name) for u in users if u.stage is Stage.CONSUMING and u.flights]

    def fire(self, timer: Item) -> None:
        partition = self.core._partitions[0]
        match timer:
            case ("take-over", _) | ("come back", _):
                partition._since = LONG_AGO
            case ("linger", _, user):
                partition.users[user]._linger_until = LONG_AGO
            case ("patience", _, session):
                partition.sessions[session].pending.since = LONG_AGO
            case ("probe", _, inbox):
                self.core._inboxes._asked[inbox] = self.core._probes_checked = LONG_AGO
            case ("hold", _, user):
                next(iter(partition.users[user].flights.values())).arrivals[0].at = LONG_AGO
        self.core._restless = dict.fromkeys(self.core._restless, LONG_AGO)
        self.core.tick(NOW)
        self.flush()

    # --- the port ------------------------------------------------------------------------

    def ack(self, partition: int, tag: int) -> None:
        self.consuming.call("ack", self.channel, tag)

    def nack(self, partition: int, tag: int) -> None:
        self.consuming.call("nack", self.channel, tag)

    def declare(self, user: str) -> None:
        self.admin.call("declare", user)

    def consume(self, partition: int, user: str) -> None:
        self.consuming.call("consume", self.channel, user)

    def cancel(self, partition: int, user: str) -> None:
        self.consuming.call("cancel", self.channel, user)

    def tell(self, inbox: str, entry: Entry) -> None:
        self.outbox.setdefault(inbox, []).append(entry)

    def probe(self, inbox: str) -> None:
        self.publishing.call("batch", inbox, Batch(self.inbox, self.world.window))

    def record(
        self, ticket: int, user: str, arrival: Arrival, letter: DeadLetter | None, receipt: Receipt | None
    ) -> None:
        assert letter is not None, "nobody asks for a receipt here"
        self.publishing.call("bury", ticket, arrival.original)

    def enter(self, partition: int) -> None:
        self.channel = self.consuming.connection.channel()
        self.consuming.call("enter", self.channel)

    def take_no_more(self, partition: int) -> None:
        raise AssertionError("nobody drains here")

    def leave(self, partition: int) -> None:
        raise AssertionError("every lease here can be read, and there is one partition")


def act(world: "SmallWorld", link: Link, item: Item) -> None:
    """The broker gets what a service said."""
    match item:
        case ("end",):
            link.connection.close()
        case ("ack", channel, tag):
            world.ack(channel, tag)
        case ("nack", channel, tag):
            channel.nack(tag)
        case ("declare", user):
            world.declare_user(user)
            if not link.lost:
                world.holder(link.name).hear(("declared", user))  # nobody could tell when the answer comes
        case ("consume", channel, user):
            channel.consume(names.user_queue(user), user)
        case ("cancel", channel, user):
            channel.cancel(user)
        case ("enter", channel):
            channel.consume(names.sessions_queue(0), "lease")
            channel.qos(world.window)
        case ("batch", inbox, batch):
            _channel(link).publish(names.GATEWAYS_EXCHANGE, inbox, Parcel(batch), mandatory=True)
        case ("bury", ticket, post):
            world.history.buried(post.uid)
            _channel(link).publish(names.DEAD_LETTERS, "", Parcel(None), confirm=ticket)
        case ("lease", lease):
            world.announce(lease)
        case ("outcomes", inbox, outcomes):
            _channel(link).publish(names.DISPATCHERS_EXCHANGE, inbox, Parcel(outcomes))
        case _:
            raise AssertionError(item)


def _channel(link: Link) -> Channel:
    return next(iter(link.connection.channels))
