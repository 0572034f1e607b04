"""A broker, as plain as can be, around the dispatcher's core: it judges every call when it is made.

A message may be acked only for a confirmation that is being told right now, or once its record is safe (I2).
What goes back does so in order, and each session first gets messages in the order of their queue (I3).
"""

from dataclasses import dataclass

from dispatcher.core.delivery import Arrival
from shared.message import Content, DeadLetter, Reason, Receipt
from shared.names import partition_of
from shared.wire import Dropped, Entry, Forward, Lease, LeaseKind, encode_lease
from tests.support.dispatcher_port import Recorder

PARTITIONS = 2
WINDOW = 4


def home(user: str) -> int:
    return partition_of(user) % PARTITIONS


@dataclass(eq=False)
class Item:
    """A message; its `position` is that in the user's queue."""

    position: int
    user: str
    id: str
    bad: bool
    wants_receipt: bool
    deleted: bool = False

    def arrival(self, tag: int, *, redelivered: bool) -> Arrival:
        content = DeadLetter(Reason.BAD_BODY, "bad") if self.bad else Content(self.id, b"")
        return Arrival(tag, redelivered, content, self.wants_receipt)


@dataclass
class Known:
    """A session as its gateway knows it. `first` is the last position of which it got a first forward."""

    user: str
    inbox: str
    rev: int = 0
    first: int = -1


class Office(Recorder):
    """`ready` and `out` are messages, `leases` and `leased` announcements: those that wait, and those out by tag."""

    def __init__(self) -> None:
        super().__init__()
        self.ready: dict[str, list[Item]] = {"alice": [], "bob": []}
        self.out: dict[int, Item] = {}
        self.leases: dict[int, list[tuple[int, bytes]]] = {n: [] for n in range(PARTITIONS)}
        self.leased: dict[int, tuple[int, int, bytes]] = {}
        self.sessions: dict[str, Known] = {}
        self.owners: dict[str, str] = {}
        self.told: dict[str, set[str]] = {}
        self.copies: dict[tuple[str, str], int] = {}
        self.confirmed: set[tuple[str, str]] = set()
        self.confirming: tuple[str, str] | None = None
        self.safe: set[int] = set()
        self.records: dict[int, int] = {}
        self.declaring: list[str] = []
        self.cancelling: list[str] = []
        self.leaving: list[int] = []
        self.last_nack: dict[str, int] = {}
        self._tags = 0
        self._order = 0

    # --- what the machine does -------------------------------------------------------------

    def publish(self, user: str, message: str, *, bad: bool, wants_receipt: bool) -> None:
        self._order += 1
        self.ready[user].append(Item(self._order, user, message, bad, wants_receipt))
        self.copies[user, message] = self.copies.get((user, message), 0) + 1

    def begin(self, session: str, user: str, inbox: str) -> None:
        self.sessions[session] = Known(user, inbox)
        self.owners[session] = user
        self.announce(session)

    def announce(self, session: str, inbox: str | None = None) -> None:
        known = self.sessions[session]
        known.inbox = inbox or known.inbox
        known.rev += 1
        self.put_lease(
            home(known.user),
            encode_lease(
                Lease(kind=LeaseKind.OPEN, session=session, user=known.user, inbox=known.inbox, rev=known.rev)
            ),
        )

    def end(self, session: str) -> None:
        known = self.sessions.pop(session)
        closed = Lease(kind=LeaseKind.CLOSED, session=session, user=known.user, rev=known.rev + 1)
        self.put_lease(home(known.user), encode_lease(closed))

    def put_lease(self, partition: int, body: bytes) -> None:
        self._order += 1
        self.leases[partition].append((self._order, body))

    def next_lease(self, partition: int) -> tuple[int, bytes]:
        order, body = self.leases[partition].pop(0)
        tag = self._tag(partition)
        self.leased[tag] = (partition, order, body)
        return tag, body

    def next_message(self, user: str, *, redelivered: bool) -> Arrival:
        item = self.ready[user].pop(0)
        tag = self._tag(home(user))
        self.out[tag] = item
        return item.arrival(tag, redelivered=redelivered)

    def may_deliver(self, user: str) -> bool:
        """Before CancelOk, what is on its way still comes."""
        there = user in self.consuming or user in self.cancelling
        return there and bool(self.ready[user]) and sum(item.user == user for item in self.out.values()) < WINDOW

    def delete_queue(self, user: str) -> None:
        self.ready[user].clear()
        for item in self.out.values():
            item.deleted |= item.user == user
        self.consuming.pop(user, None)

    def closed(self, partition: int) -> None:
        """Everything goes back to its place."""
        super().closed(partition)
        for tag in [tag for tag, item in self.out.items() if home(item.user) == partition]:
            self._back(self.out.pop(tag))
        back = [(order, body) for p, order, body in self.leased.values() if p == partition]
        self.leases[partition] = sorted([*back, *self.leases[partition]])
        self.leased = {tag: lease for tag, lease in self.leased.items() if lease[0] != partition}
        self.records = {ticket: tag for ticket, tag in self.records.items() if tag in self.out}
        self.cancelling = [user for user in self.cancelling if home(user) != partition]

    # --- what the core does ----------------------------------------------------------------

    def ack(self, partition: int, tag: int) -> None:
        super().ack(partition, tag)
        if self.leased.pop(tag, None) is not None:
            return
        item = self.out.pop(tag)
        if item.bad or item.wants_receipt or tag in self.safe:
            assert tag in self.safe, f"{item} is acked before its record is safe"
        else:
            assert self.confirming == (item.user, item.id), f"{item} is acked although nobody confirmed it"

    def nack(self, partition: int, tag: int) -> None:
        super().nack(partition, tag)
        assert tag not in self.leased, "a lease is nacked"
        item = self.out.pop(tag)
        assert tag > self.last_nack.get(item.user, 0), "given back out of order"
        assert tag not in self.records.values(), "what is being recorded is given back"
        self.last_nack[item.user] = tag
        self._back(item)

    def tell(self, inbox: str, entry: Entry) -> None:
        if isinstance(entry, Dropped):
            for session in entry.sessions:
                if session in self.sessions:
                    self.announce(session)
        if not isinstance(entry, Forward):
            return
        positions = [i.position for i in self.out.values() if (i.user, i.id) == (entry.user, entry.message)]
        assert positions, "what the broker did not deliver is forwarded"
        for session in entry.sessions:
            known = self.sessions.get(session)
            told = self.told.setdefault(session, set())
            single = self.copies[entry.user, entry.message] == 1
            if known is not None and entry.message not in told and single:
                if (entry.user, entry.message) not in self.confirmed:
                    assert positions[0] > known.first, f"{session} gets {entry.message} after a later one"
                known.first = max(known.first, positions[0])
            told.add(entry.message)

    def declare(self, user: str) -> None:
        self.declaring.append(user)

    def cancel(self, partition: int, user: str) -> None:
        super().cancel(partition, user)
        self.cancelling.append(user)

    def record(
        self, ticket: int, user: str, arrival: Arrival, letter: DeadLetter | None, receipt: Receipt | None
    ) -> None:
        super().record(ticket, user, arrival, letter, receipt)
        assert arrival.wants_receipt == (receipt is not None)
        assert arrival.tag not in self.records.values(), "recorded twice"
        self.records[ticket] = arrival.tag

    def enter(self, partition: int) -> None:
        super().enter(partition)
        self.put_lease(partition, encode_lease(Lease(kind=LeaseKind.HELLO)))

    def leave(self, partition: int) -> None:
        super().leave(partition)
        self.leaving.append(partition)

    def _back(self, item: Item) -> None:
        if not item.deleted:
            self.ready[item.user] = sorted([*self.ready[item.user], item], key=lambda i: i.position)

    def _tag(self, partition: int) -> int:
        self._tags += 1
        self.delivered(partition, self._tags)
        return self._tags
