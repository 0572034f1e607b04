"""A dispatcher's whole state for one generation of its connections: partitions, users, inboxes.

When any connection is lost the adapter throws this object away and starts a new one: the broker still has
the messages and the leases, the gateways still have the sessions (I6).
"""

from collections.abc import Callable, Iterable
from math import inf

from dispatcher.core.delivery import Arrival
from dispatcher.core.inboxes import Inboxes
from dispatcher.core.ledger import Ledger
from dispatcher.core.partition import Partition, Standing
from dispatcher.core.ports import Port
from dispatcher.core.rules import HOLD_SECONDS, LEASE_SECONDS, Books, Rules
from dispatcher.core.user import User
from shared.names import PARTITIONS, partition_of
from shared.wire import Outcome, OutcomeKind

PARTITIONS_GIVEN_AT_ONCE = 8
"""So that a dispatcher that joins, or those that stay when one leaves, take users over a few at a time."""

PROBE_CHECK_SECONDS = 1.0
LOOK_SECONDS = 1.0
"""How often a user is looked at to whom nothing happens: when ten thousand come back, all of them wait for long."""


class Dispatcher:
    """One fact in, calls on the port out; `now` is monotonic seconds. Facts about the unknown are ignored."""

    def __init__(
        self,
        port: Port,
        *,
        window: int,
        max_attempts: int,
        linger_seconds: float,
        hold_seconds: float = HOLD_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        partitions: int = PARTITIONS,
        ledger: Ledger | None = None,
    ) -> None:
        """`ledger`: the one to go on with; its sums outlive this object."""
        self._port = port
        self._books = Books(ledger=ledger or Ledger())
        self._inboxes = Inboxes()
        rules = Rules(window, max_attempts, linger_seconds, hold_seconds, lease_seconds)
        self._partitions = [
            Partition(n, partitions, port, rules, self._books, self._inboxes) for n in range(partitions)
        ]
        self._restless: dict[User, float] = {}  # users with a deadline, so that idle ones cost nothing; when to look
        self._probes_checked = 0.0
        self._count = 0
        self._drain_until: float | None = None  # None: it does not drain

    # --- what others may know ------------------------------------------------------------

    @property
    def owned(self) -> list[int]:
        return [partition.number for partition in self._partitions if partition.owned]

    @property
    def users(self) -> Iterable[User]:
        return (user for partition in self._partitions for user in partition.users.values())

    @property
    def sessions(self) -> int:
        return sum(len(partition.sessions) for partition in self._partitions)

    @property
    def in_flight(self) -> int:
        """Messages that sessions were sent and nobody confirmed yet."""
        return sum(len(user.flights) for user in self._restless)

    @property
    def held(self) -> int:
        """Deliveries that the broker waits for an ack of."""
        there = (user for user in self._restless if self._partitions[user.partition].users.get(user.name) is user)
        return self.recording + sum(user.held for user in there)

    @property
    def recording(self) -> int:
        """Dead letters and receipts that the broker has not confirmed yet."""
        return len(self._books.recording)

    @property
    def unreadable_leases(self) -> int:
        return sum(partition.unreadable for partition in self._partitions)

    @property
    def drained(self) -> bool:
        """After `drain`: every partition is given up."""
        return self._drain_until is not None and all(p.standing is Standing.AWAY for p in self._partitions)

    # --- facts ---------------------------------------------------------------------------

    def start(self, now: float) -> None:
        self._probes_checked = now
        for partition in self._partitions:
            partition.enter()

    def leased(self, partition: int, tag: int, body: bytes, now: float) -> None:
        """A message from `sessions.<partition>`."""
        self._watch(self._partitions[partition].leased(tag, body, now))

    def arrived(self, partition: int, user: str, arrival: Arrival, now: float) -> None:
        """A delivery from the user's queue. For a user whom nobody represents any more it goes back."""
        if not self._partitions[partition].owned:
            return
        self._books.ledger.arrived(arrival.sent_at, now, redelivered=arrival.redelivered)
        known = self._partitions[partition].users.get(user)
        if known is None:
            self._books.ledger.given_back += 1
            self._port.nack(partition, arrival.tag)
            return
        known.arrive(arrival, now)
        self._watch(known)

    def declared(self, user: str, now: float) -> None:
        self._of_user(user, User.declared)

    def cancelled(self, user: str, now: float) -> None:
        self._of_user(user, User.cancelled)

    def consumer_lost(self, user: str, now: float) -> None:
        """The broker cancelled the user's consumer."""
        self._of_user(user, User.consumer_lost)

    def outcomes(self, outcomes: Iterable[Outcome], now: float) -> None:
        """What gateways report. An outcome names user and id, never a tag: it may be of an earlier owner."""
        for outcome in outcomes:
            partition = self._partitions[partition_of(outcome.user) % len(self._partitions)]
            user = partition.users.get(outcome.user)
            if user is None:
                continue
            if outcome.kind is OutcomeKind.GONE:
                session = user.sessions.get(outcome.session)
                if session is not None:
                    partition.drop(session, now)
            else:
                user.outcome(outcome, now)
            self._watch(user)

    def returned(self, inbox: str, now: float) -> None:
        """A batch came back: that inbox is gone, and every session that it served."""
        for session in self._inboxes.sessions_at(inbox):
            self._watch(self._partition_of(session.user).drop(session, now))

    def recorded(self, ticket: int, now: float) -> None:
        """A dead letter or receipt is safe: its original can be acked."""
        where = self._books.recording.pop(ticket, None)
        if where is None:
            return
        partition, tag, name, verdict = where
        self._books.ledger.acked(verdict)
        self._port.ack(partition, tag)
        user = self._partitions[partition].users.get(name)
        if user is not None:
            user.recorded(ticket, now)
            self._partitions[partition].sweep(user)
            self._watch(user)

    def partition_lost(self, partition: int, now: float) -> None:
        self._partitions[partition].lost(now)

    def partition_mended(self, partition: int, now: float) -> None:
        """Its queue is there again, or still."""
        self._partitions[partition].mended()

    def left(self, partition: int, now: float) -> None:
        self._partitions[partition].left()

    def dispatchers(self, count: int, now: float) -> None:
        """So many dispatchers wait for each partition: whoever owns more than a fair share gives some up.

        What is given up goes to whoever has waited longest for it. So when their number changes, whoever has enough
        first queues up again behind the others, or partitions would go round among those that have enough.
        """
        if self._drain_until is not None:
            return
        changed, self._count = count != self._count, count
        share = -(-len(self._partitions) // max(count, 1))
        owned = [partition for partition in self._partitions if partition.owned]
        waiting = [partition for partition in self._partitions if partition.standing is Standing.STANDBY]
        if len(owned) < share:
            return
        given = waiting if changed and waiting else owned[: min(len(owned) - share, PARTITIONS_GIVEN_AT_ONCE)]
        for partition in given:
            partition.leave(now)

    def abandon(self) -> None:
        """Its connections are gone, and every tag with them: the broker has it all again. No fact comes any more."""
        for partition in self._partitions:
            partition.forget_all()
        self._restless.clear()

    def drain(self, until: float, now: float) -> None:
        """Take nothing more. A partition is given up when nothing is in flight there, at `until` in any case."""
        self._drain_until = until
        for partition in self._partitions:
            partition.drain(now)

    def tick(self, now: float) -> None:
        """Every 50 ms: take-overs, lingers, deadlines, probes."""
        for partition in self._partitions:
            for user in partition.tick(now):
                self._watch(user)
        for user in [user for user, due in self._restless.items() if due <= now]:
            partition = self._partitions[user.partition]
            if partition.users.get(user.name) is not user:
                del self._restless[user]
                continue
            for session in user.tick(now):
                partition.give_up(session, now)
            if user.restless:
                self._restless[user] = min(user.due, now + LOOK_SECONDS)
            else:
                del self._restless[user]
        if self._drain_until is not None:
            self._give_up(now, self._drain_until)
        if now - self._probes_checked >= PROBE_CHECK_SECONDS:
            self._probes_checked = now
            self._probe(now)

    # --- how -----------------------------------------------------------------------------

    def _give_up(self, now: float, until: float) -> None:
        owned = [partition for partition in self._partitions if partition.owned]
        if now < until:
            recording = {partition for partition, *_ in self._books.recording.values()}
            done = [p for p in owned if not p.in_flight and p.number not in recording]
            owned = done[:PARTITIONS_GIVEN_AT_ONCE]
        for partition in owned:
            partition.leave(now)

    def _probe(self, now: float) -> None:
        busy = {session.inbox for user in self._restless for session in user.sessions.values() if session.pending}
        for inbox in self._inboxes.due(busy, now):
            self._port.probe(inbox)

    def _of_user(self, name: str, fact: Callable[[User], None]) -> None:
        partition = self._partition_of(name)
        user = partition.users.get(name)
        if user is not None:
            fact(user)
            partition.sweep(user)
            self._watch(user)

    def _partition_of(self, user: str) -> Partition:
        return self._partitions[partition_of(user) % len(self._partitions)]

    def _watch(self, user: User | None) -> None:
        if user is not None and user.restless:
            self._restless[user] = -inf  # its deadline may be another one now
