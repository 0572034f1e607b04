"""A gateway in the simulation: the real core between the simulated broker and the simulated clients' sockets."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.core.sessions import Sessions
from shared import names
from shared.wire import Batch, Lease, Outcome, encode_lease
from tests.simulation.channel import Channel
from tests.simulation.dispatcher import Parcel
from tests.simulation.events import ChannelClosed, Delivered, Event, Returned
from tests.simulation.link import Link
from tests.simulation.service import Service

if TYPE_CHECKING:
    from tests.simulation.client import Socket
    from tests.simulation.world import World


class GatewayNode(Service):
    """A gateway process; implements the core's port."""

    tick_seconds = 0.25

    def __init__(self, world: "World", name: str) -> None:
        super().__init__(world, name)
        self.core = Sessions(
            self, confirm_timeout=world.confirm_timeout, limit=world.session_limit, renew_seconds=world.renew_seconds
        )
        self.sockets: dict[str, Socket] = {}
        self.link: Link | None = None
        self.up = False
        self._number = 0
        self._inbox = ""
        self._channel: Channel | None = None
        self._outboxes: dict[str, list[Outcome]] = {}
        self._connect()

    # --- clients -------------------------------------------------------------------------

    def login(self, socket: "Socket", seen: list[str]) -> None:
        """A client's CONNECT. Without a broker the transport is closed."""
        if not self.up:
            socket.close_from_gateway()
            return
        socket.accepted = True
        self.sockets[socket.session] = socket
        self.world.history.opened(socket.session, socket.user, seen)
        self.core.open(socket.session, socket.user, seen, self.world.now, self.world.now)

    def confirmed(self, session: str, message: str, key: str) -> None:
        if session in self.sockets:
            self.world.history.answered(session, key)
            self.core.answered(session, message, b"1", "", self.world.now)

    def refused(self, session: str, message: str) -> None:
        self.core.refused(session, message, "no", self.world.now)

    def socket_gone(self, session: str) -> None:
        if self.sockets.pop(session, None) is not None:
            self.core.close(session, self.world.now)

    def drain(self, seconds: float) -> None:
        """Its clients are sent nothing more, and closed one by one; then it ends, whatever state it is in."""
        self.soon(self._drain)
        self.world.later(seconds, self.kill)

    def _drain(self) -> None:
        for wait, (session, socket) in enumerate(self.sockets.items()):
            self.core.hold(session)
            self.world.later(0.2 * wait, socket.close_from_gateway)
            self.world.later(0.2 * wait, lambda session=session: self.soon(lambda: self.socket_gone(session)))  # type: ignore[misc]  # a default argument

    # --- the port ------------------------------------------------------------------------

    def emit(self, session: str, message: str, event: bytes, attachment: bytes | None) -> None:
        socket = self.sockets.get(session)
        if socket is None:
            return
        uid = int(event.partition(b"|")[0])
        socket.in_flight[message] = None
        self.world.history.emitted(session, uid, len(socket.in_flight))
        socket.to_client(message, uid)

    def cut(self, session: str, why: str) -> None:
        socket = self.sockets.get(session)
        if socket is not None:
            socket.close_from_gateway()
            self.world.later(self.world.delay(), lambda: self.soon(lambda: self.socket_gone(session)))

    def replace(self, session: str) -> None:
        socket = self.sockets.get(session)
        if socket is not None:
            socket.replace()
            self.world.later(self.world.delay(), lambda: self.soon(lambda: self.socket_gone(session)))

    def evict(self, session: str) -> None:
        socket = self.sockets.get(session)
        if socket is not None:
            socket.evict()
            self.world.later(self.world.delay(), lambda: self.soon(lambda: self.socket_gone(session)))

    def announce(self, lease: Lease) -> None:
        self._publish(
            names.SESSIONS_EXCHANGE, names.sessions_queue(self.world.partition(lease.user)), encode_lease(lease)
        )

    def report(self, reply: str, outcome: Outcome) -> None:
        outbox = self._outboxes.setdefault(reply, [])
        outbox.append(outcome)
        if len(outbox) == 1:
            self.world.later(self.world.delay(), lambda: self.soon(lambda: self._flush(reply)))

    def _flush(self, reply: str) -> None:
        outcomes = self._outboxes.pop(reply, [])
        if outcomes:
            self._publish(names.DISPATCHERS_EXCHANGE, reply, outcomes)

    def _publish(self, exchange: str, key: str, body: object) -> None:
        channel = self._channel
        if self.link is not None and channel is not None:
            mandatory = exchange == names.SESSIONS_EXCHANGE
            self.link.call(lambda: channel.publish(exchange, key, Parcel(body), mandatory=mandatory))

    # --- the broker ----------------------------------------------------------------------

    def _connect(self) -> None:
        if self.link is not None:
            return
        if not self.world.broker.running:
            self.world.later(self.world.random.uniform(0.1, 1.0), lambda: self.soon(self._connect))
            return
        self._number += 1
        inbox = names.gateway_inbox(f"{self.name}-{self._number}")
        link = Link(self.world, self, self.world.broker.connect(self.name))
        channel = link.connection.channel()
        self.link, self._channel, self._inbox = link, channel, inbox

        def open_inbox() -> None:
            channel.declare_queue(inbox, exclusive=True)
            channel.bind(inbox, names.GATEWAYS_EXCHANGE, inbox)
            channel.consume(inbox, "inbox", no_ack=True)

        def opened() -> None:
            self.up = True
            self.core.link_up(inbox, self.world.now)

        link.ask(open_inbox, lambda _: opened())

    def on_event(self, link: Link, channel: Channel, event: Event) -> None:
        match event:
            case Delivered(message=Parcel(body=Batch() as batch)):
                self.core.batch(batch, self.world.now)
            case Returned() | ChannelClosed():
                link.close()
                self.link_lost(link)
            case _:
                pass

    def hear(self, link: Link, fact: Callable[[], None]) -> None:
        self.soon(lambda: fact() if link is self.link else None)

    def link_lost(self, link: Link) -> None:
        if link is not self.link:
            return
        self.link = self._channel = None
        self.up = False
        self._outboxes.clear()
        self.core.link_down(self.world.now)
        self.world.later(self.world.random.uniform(0.05, 1.0), lambda: self.soon(self._connect))

    def links(self) -> list[Link]:
        return [] if self.link is None else [self.link]

    def stalled(self) -> None:
        if self.link is not None:
            self.link.close()
            self.link_lost(self.link)

    def tick(self) -> None:
        self.core.tick(self.world.now)

    def kill(self) -> None:
        super().kill()
        for socket in list(self.sockets.values()):
            socket.gateway_died()
        self.sockets.clear()
