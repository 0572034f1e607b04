"""A gateway of the small world: the real core between one connection to the broker and its clients' sockets."""

from typing import TYPE_CHECKING

from gateway.core.sessions import Sessions
from shared import names
from shared.wire import Batch, Lease, Outcome
from tests.exploration.link import END, Item, Link
from tests.exploration.office import LONG_AGO, NOW
from tests.simulation.dispatcher import Parcel
from tests.simulation.events import Delivered

if TYPE_CHECKING:
    from tests.exploration.world import SmallWorld


class House:
    """Implements the core's port. Outcomes are flushed at the end of each event. `link` is None while it is away."""

    def __init__(self, world: "SmallWorld", name: str) -> None:
        self.world = world
        self.name = name
        self.core = Sessions(self, confirm_timeout=30.0, limit=0, renew_seconds=1e9)
        self.link: Link | None = None
        self.outbox: dict[str, list[Outcome]] = {}
        self.connect()

    def connect(self) -> None:
        name = self.world.fresh(self.name)
        inbox = names.gateway_inbox(name)
        self.link = self.world.connect(name)
        channel = self.link.connection.channel()
        channel.declare_queue(inbox, exclusive=True)
        channel.bind(inbox, names.GATEWAYS_EXCHANGE, inbox)
        channel.consume(inbox, "inbox", no_ack=True)
        self.core.link_up(inbox, NOW)

    def hear(self, item: Item) -> None:
        """The head of its link's `down`."""
        match item:
            case ("end",):
                self.link_lost()
            case (_, Delivered(message=Parcel(body=Batch() as batch))):
                self.core.batch(batch, NOW)
            case _:
                raise AssertionError(item)
        self.flush()

    def link_lost(self) -> None:
        assert self.link is not None
        self.link.leave()
        self.link = None
        self.core.link_down(NOW)

    def flush(self) -> None:
        if self.link is not None:
            for reply, outcomes in self.outbox.items():
                self.link.call("outcomes", reply, tuple(outcomes))
        self.outbox.clear()
        self.core.tick(NOW)  # nothing is due: it only forgets who is idle, as it does four times a second

    def later(self) -> list[Item]:
        """Timers of seconds: clients that do not answer, and those that stay full."""
        sessions = self.core._sessions.values()
        return [("confirm timeout", self.name, s.id) for s in sessions if s.pending or s.full_since is not None]

    def fire(self, timer: Item) -> None:
        session = self.core._sessions[timer[2]]
        session.pending.since = LONG_AGO
        if session.full_since is not None:
            session.full_since = LONG_AGO
        self.core.tick(NOW)
        self.flush()

    # --- the port ------------------------------------------------------------------------

    def emit(self, session: str, message: str, event: bytes, attachment: bytes | None) -> None:
        self.world.emitted(session, int(event.partition(b"|")[0]))

    def cut(self, session: str, why: str) -> None:
        self.world.sockets[session].down.append(END)
        self.world.gateway_done(session)

    def replace(self, session: str) -> None:
        raise AssertionError("there is no limit")

    def evict(self, session: str) -> None:
        raise AssertionError("nobody evicts")

    def announce(self, lease: Lease) -> None:
        if self.link is not None:
            self.link.call("lease", lease)

    def report(self, reply: str, outcome: Outcome) -> None:
        self.outbox.setdefault(reply, []).append(outcome)
