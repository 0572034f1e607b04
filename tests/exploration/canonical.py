"""Two states of the small world that differ in nothing that matters get one fingerprint.

Nothing that matters: which of two equal services is called first, fresh names, and how large the numbers are
that only order (delivery tags, revisions, places in a queue): each becomes its rank. What only counts up, and
what only a standing clock could read, is left out.
"""

from collections import deque
from hashlib import blake2b
from marshal import dumps
from typing import Any

from dispatcher.core.delivery import Arrival, Flight
from dispatcher.core.session import Session as Lessee
from dispatcher.core.user import User
from gateway.core.session import Session
from shared.pending import Pending
from shared.wire import Batch, Dropped, Forward, Lease, Outcome, Settled
from tests.exploration.client import Socket
from tests.exploration.house import House
from tests.exploration.link import Link
from tests.exploration.office import Office
from tests.exploration.walk import Walk
from tests.exploration.world import LEASES, QUEUE, USER, SmallWorld
from tests.simulation.channel import Channel
from tests.simulation.connection import Connection
from tests.simulation.dispatcher import Parcel
from tests.simulation.events import Cancelled, CancelOk, ChannelClosed, Confirmed, Delivered, Returned
from tests.simulation.history import Post
from tests.simulation.queue import Entry, Queue


def fingerprint(world: SmallWorld) -> int:
    return int.from_bytes(blake2b(dumps(_Walk(world).tokens, 2), digest_size=8).digest(), "big")


class _Walk(Walk):
    """Walks everything in an order that the state itself gives, and names things as it meets them."""

    def __init__(self, world: SmallWorld) -> None:
        super().__init__()
        self._channel: Channel | None = None
        self._links = {link.connection: link for link in world.links.values()}
        self._world(world)
        self.put_ranks()

    def _tag(self, channel: Channel | None, tag: int) -> None:
        self._rank("tag", channel, tag)

    # --- the world -----------------------------------------------------------------------

    def _world(self, world: SmallWorld) -> None:
        self._say((world.published, world.person.leaving, sorted(world.person.handled)))
        queues = world.broker.queues
        for name in (LEASES, QUEUE):
            self._any(queues.get(name))
        self._say(len(world.broker.pending))
        for notice in world.broker.pending:
            self._say(type(notice).__name__)
            self._any(notice.queue)
            self._any(getattr(notice, "channel", None))
        active = {c.channel.connection: n for n, c in enumerate(queues[LEASES].consumers)}
        offices = [office for office in world.offices.values() if office is not None]
        offices.sort(key=lambda office: active.get(office.consuming.connection, 9))
        self._all(offices)
        sockets = list(world.sockets.values())
        homes = {socket.house: n for n, socket in enumerate(sockets)}
        houses = [house for house in world.houses.values() if house is not None]
        houses.sort(key=lambda house: (-homes.get(house.name, -1), house.link is None))
        houses_order = {house.name: n for n, house in enumerate(houses)}
        self._all(houses)
        self._say(len(sockets))
        for socket in sockets:
            self._say(houses_order.get(socket.house, 9))
            self._any(socket)
        for link in world.links.values():
            if id(link) not in self._met:
                self._link(link)
        history = world.history
        self._say((list(history.open.get(USER, ())), sorted(history.dead), sorted(history.taken)))
        self._say(sorted(key for _, key in history.confirmed))
        for session, memory in history.sessions.items():
            self._name(session)
            self._say((sorted(memory.sent), sorted(memory.confirmed)))

    def _link(self, link: Link) -> None:
        if self._again(link):
            return
        self._say((link.severed, link.lost, link.connection.closed))
        for item in (*link.up, None, *link.down):
            self._item(item)

    def _item(self, item: Any) -> None:
        if item is None or len(item) == 1:
            self._say(item)
            return
        match item:
            case ("ack" | "nack" as verb, channel, int(tag)):
                self._say(verb)
                self._any(channel)
                self._tag(channel, tag)
            case (Channel() as channel, event):
                self._any(channel)
                self._event(channel, event)
            case _:
                for part in item:
                    self._any(part)

    def _event(self, channel: Channel, event: Any) -> None:
        self._say(type(event).__name__)
        match event:
            case Delivered(consumer, tag, redelivered, message):
                self._say((consumer, redelivered))
                self._tag(channel, tag)
                self._any(message)
            case Returned(_, _, key, _):
                self._name(key)
            case Confirmed(token):
                self._rank("ticket", channel.connection, token)  # type: ignore[arg-type]  # only tickets are
            case Cancelled(tag) | CancelOk(tag):
                self._say(tag)
            case ChannelClosed():
                pass

    def _queue(self, queue: Queue) -> None:
        if self._again(queue):
            return
        self._say((queue.deleted, len(queue.consumers)))
        for consumer in queue.consumers:
            self._any(consumer.channel)
            self._say((consumer.tag, consumer.unacked))
        for entry in (*sorted(queue._came_back), *queue._untouched):
            self._entry(queue, entry)
        self._say(len(queue.held))
        for channel, held in queue.held.items():
            self._any(channel)
            for tag, entry in held.items():
                self._tag(channel, tag)
                self._entry(queue, entry)

    def _entry(self, queue: Queue, entry: Entry) -> None:
        self._rank("turn", queue, entry.turn)
        self._say(entry.returns > 0)
        self._any(entry.message)

    def _a_channel(self, channel: Channel) -> None:
        if self._again(channel):
            return
        self._say((channel.closed, list(channel.consumers)))
        self._any(channel.connection)

    def _connection(self, connection: Connection) -> None:
        if not self._again(connection):
            self._say(connection.closed)

    # --- the services --------------------------------------------------------------------

    def _an_office(self, office: Office) -> None:
        core = office.core
        partition = core._partitions[0]
        self._name(office.inbox)
        self._any(office.channel)
        self._channel = office.channel
        for link in office.links:
            self._link(link)
        self._say(partition.standing.name)
        self._all(list(partition.sessions.values()))
        self._all(list(partition.users.values()))
        self._say(list(core._books.attempts._counts.items()))
        for ticket, (_, tag, *_) in core._books.recording.items():
            self._rank("ticket", office.publishing.connection, ticket)
            self._tag(office.channel, tag)
        for user in partition.users.values():
            for ticket in sorted(user._burying):
                self._rank("ticket", office.publishing.connection, ticket)
            self._say(user in core._restless)
        for inbox, sessions in core._inboxes._sessions.items():
            self._name(inbox)
            self._names_of(sessions)

    def _lessee(self, session: Lessee) -> None:
        self._name(session.id)
        self._name(session.inbox)
        self._tag(self._channel, session.lease)
        self._rev(session.id, session.rev)
        self._pending(session.pending)
        self._say(session.reminded)

    def _user(self, user: User) -> None:
        self._say(user.stage.name)
        self._all(list(user.sessions))
        self._all(list(user._held))
        self._all(list(user.flights.values()))

    def _flight(self, flight: Flight) -> None:
        self._say((flight.content.id, flight.refused, flight.tried))
        self._names_of(flight.waiting_on)
        self._all(flight.arrivals)

    def _arrival(self, arrival: Arrival) -> None:
        self._tag(self._channel, arrival.tag)
        self._say(arrival.redelivered)
        self._any(arrival.original)

    def _house(self, house: House) -> None:
        self._say(house.core._window)
        self._name(house.core._inbox or "")
        if house.link is not None:
            self._link(house.link)
        self._all(list(house.core._sessions.values()))
        self._all(list(house.core._busy))

    def _session(self, session: Session) -> None:
        self._name(session.id)
        self._rev(session.id, session.rev)
        self._say(sorted(session.ring._values))
        for message, reply in session.sent.items():
            self._say(message)
            self._name(reply)
        self._pending(session.pending)
        for message, (forward, reply) in session.waiting.items():
            self._say(message)
            self._any(forward)
            self._name(reply)
        self._say(session.full_since is None)

    def _rev(self, session: str, rev: int) -> None:
        self._rank("rev", self._names.setdefault(session, len(self._names)), rev)

    def _pending(self, pending: Pending) -> None:
        self._say((*pending, None))

    def _socket(self, socket: Socket) -> None:
        self._name(socket.session)
        self._say((socket.client, socket.gateway, socket.severed, socket.in_flight, list(socket.up), list(socket.down)))

    # --- what is under way ---------------------------------------------------------------

    def _lease(self, lease: Lease) -> None:
        self._say(lease.kind.value)
        self._name(lease.session)
        self._name(lease.inbox)
        self._rev(lease.session, lease.rev)

    def _batch(self, batch: Batch) -> None:
        self._name(batch.reply)
        self._all(batch.entries)

    def _forward(self, forward: Forward) -> None:
        self._say(forward.event)
        self._all(forward.sessions)

    def _settled(self, settled: Settled) -> None:
        self._say(settled.message)
        self._all(settled.sessions)

    def _outcome(self, outcome: Outcome) -> None:
        self._say((outcome.message, outcome.kind.value))
        self._name(outcome.session)


_Walk.ways = {
    str: _Walk._name,
    tuple: _Walk._all,
    list: _Walk._all,
    deque: _Walk._all,
    Queue: _Walk._queue,
    Channel: _Walk._a_channel,
    Connection: _Walk._connection,
    Office: _Walk._an_office,
    House: _Walk._house,
    Socket: _Walk._socket,
    Lessee: _Walk._lessee,
    User: _Walk._user,
    Flight: _Walk._flight,
    Arrival: _Walk._arrival,
    Session: _Walk._session,
    Lease: _Walk._lease,
    Batch: _Walk._batch,
    Forward: _Walk._forward,
    Settled: _Walk._settled,
    Dropped: lambda walk, dropped: walk._all(dropped.sessions),
    Outcome: _Walk._outcome,
    Parcel: lambda walk, parcel: walk._any(parcel.body),
    Post: lambda walk, post: walk._say(post.uid),
}
