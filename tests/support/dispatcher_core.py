"""The dispatcher's core at a desk: facts go in by short names, and `take` says what came out."""

from itertools import count

from dispatcher.core.delivery import Arrival
from dispatcher.core.dispatcher import Dispatcher
from shared.message import Content, DeadLetter
from shared.names import partition_of
from shared.wire import NULL, Forward, Lease, LeaseKind, Outcome, OutcomeKind, Settled, encode_lease
from tests.support.dispatcher_port import Call, Declare, Recorder, Tell

TICK_SECONDS = 0.05


def content(message: str) -> Content:
    """What `judge` would have made of it; the event ends in `true` or `false`, for `redelivered`."""
    return Content(message, b"%b redelivered:" % message.encode())


def forward(message: str, *sessions: str, inbox: str = "g1", user: str = "alice", again: bool = False) -> Tell:
    return Tell(inbox, Forward(user, message, sessions, content(message).event(again)))


def settled(message: str, *sessions: str, inbox: str = "g1", user: str = "alice") -> Tell:
    return Tell(inbox, Settled(user, message, sessions))


class Desk:
    """One dispatcher. With one partition it is 0, and everybody's."""

    def __init__(
        self, *, max_attempts: int = 5, linger_seconds: float = 2.0, partitions: int = 1, window: int = 8
    ) -> None:
        self.port = Recorder()
        self.core = Dispatcher(
            self.port,
            window=window,
            max_attempts=max_attempts,
            linger_seconds=linger_seconds,
            partitions=partitions,
        )
        self.partitions = partitions
        self.now = 100.0
        self._tags = count(1)
        self.core.start(self.now)
        self.port.take()

    def take(self) -> list[Call]:
        return self.port.take()

    # --- leases ----------------------------------------------------------------------------

    def lease(
        self,
        session: str,
        *,
        user: str = "alice",
        inbox: str = "g1",
        rev: int = 1,
        opened_at: float = 0.0,
        limit: int = 0,
        confirm_timeout: float = 30.0,
    ) -> int:
        """An announcement arrives; returns its tag."""
        lease = Lease(
            kind=LeaseKind.OPEN,
            session=session,
            user=user,
            inbox=inbox,
            rev=rev,
            opened_at=opened_at,
            limit=limit,
            confirm_timeout=confirm_timeout,
        )
        return self.leased(encode_lease(lease), partition_of(user) % self.partitions)

    def close(self, session: str, *, user: str = "alice", rev: int = 99) -> int:
        lease = Lease(kind=LeaseKind.CLOSED, session=session, user=user, rev=rev)
        return self.leased(encode_lease(lease), partition_of(user) % self.partitions)

    def hello(self, partition: int = 0) -> int:
        return self.leased(encode_lease(Lease(kind=LeaseKind.HELLO)), partition)

    def evict(self, user: str = "alice") -> int:
        lease = Lease(kind=LeaseKind.EVICT, user=user)
        return self.leased(encode_lease(lease), partition_of(user) % self.partitions)

    def leased(self, body: bytes, partition: int = 0) -> int:
        tag = next(self._tags)
        self.port.delivered(partition, tag)
        self.core.leased(partition, tag, body, self.now)
        return tag

    def serve(self, *sessions: str, user: str = "alice", inbox: str = "g1") -> None:
        """These sessions are here, the partition is ours and the user's queue is consumed."""
        for session in sessions:
            self.lease(session, user=user, inbox=inbox)
        self.wait(0.3)
        if Declare(user) in self.take():
            self.core.declared(user, self.now)
        self.take()

    # --- deliveries ------------------------------------------------------------------------

    def arrive(
        self,
        message: str | DeadLetter,
        *,
        user: str = "alice",
        redelivered: bool = False,
        wants_receipt: bool = False,
        sent_at: float | None = None,
    ) -> int:
        """A delivery; returns its tag. A `DeadLetter` is one that `judge` rejected."""
        tag = next(self._tags)
        partition = partition_of(user) % self.partitions
        self.port.delivered(partition, tag)
        judged = content(message) if isinstance(message, str) else message
        self.core.arrived(partition, user, Arrival(tag, redelivered, judged, wants_receipt, sent_at=sent_at), self.now)
        return tag

    def confirm(self, session: str, message: str, value: bytes = NULL, *, user: str = "alice") -> None:
        self.core.outcomes([Outcome(user, message, session, OutcomeKind.CONFIRMED, value)], self.now)

    def refuse(self, session: str, message: str, detail: str = "no") -> None:
        self.core.outcomes([Outcome("alice", message, session, OutcomeKind.REFUSED, NULL, detail)], self.now)

    def unconfirm(self, session: str, message: str) -> None:
        self.core.outcomes([Outcome("alice", message, session, OutcomeKind.UNCONFIRMED)], self.now)

    def gone(self, session: str, message: str) -> None:
        self.core.outcomes([Outcome("alice", message, session, OutcomeKind.GONE)], self.now)

    # --- answers and time ------------------------------------------------------------------

    def declared(self, user: str = "alice") -> None:
        self.core.declared(user, self.now)

    def cancelled(self, user: str = "alice") -> None:
        self.core.cancelled(user, self.now)

    def consumer_lost(self, user: str = "alice") -> None:
        self.port.consuming.pop(user, None)
        self.core.consumer_lost(user, self.now)

    def recorded(self, ticket: int) -> None:
        self.core.recorded(ticket, self.now)

    def lose(self, partition: int = 0) -> None:
        self.port.closed(partition)
        self.core.partition_lost(partition, self.now)

    def wait(self, seconds: float) -> None:
        """Time passes: with a tick every second while much is left, then every 50 ms."""
        end = round(self.now + seconds, 6)
        while self.now < end:
            self.now = round(min(self.now + (1.0 if end - self.now > 3.0 else TICK_SECONDS), end), 6)
            self.core.tick(self.now)
