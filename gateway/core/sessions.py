"""The gateway's table of sessions: who is here, what dispatchers want of them, what is announced to the broker."""

from collections import defaultdict
from collections.abc import Sequence

from gateway.core.ledger import Ledger
from gateway.core.ports import Port
from gateway.core.session import Session
from shared.wire import (
    Batch,
    Dropped,
    Entry,
    Evicted,
    Forward,
    Lease,
    LeaseKind,
    Outcome,
    OutcomeKind,
    Present,
    Replaced,
    Settled,
)

RENEW_SECONDS = 300.0
"""How old an announcement gets. Well inside the 900 s after which a lease is forgotten."""

RENEWALS_PER_TICK = 200
"""So that many sessions that came at once do not renew at once for ever."""

STALL_SECONDS = 2.0
"""A gap between two ticks that means that this process, not its clients, was silent."""


class Sessions:
    """All sessions of one gateway. One fact in, calls on the port out; `now` is monotonic seconds.

    `confirm_timeout` in seconds; `limit` is how many sessions a user may have (0: no limit).
    """

    def __init__(
        self,
        port: Port,
        *,
        confirm_timeout: float,
        limit: int,
        renew_seconds: float = RENEW_SECONDS,
        ledger: Ledger | None = None,
    ) -> None:
        self._port = port
        self.ledger = ledger or Ledger()
        self._confirm_timeout = confirm_timeout
        self._limit = limit
        self._renew_seconds = renew_seconds
        self._inbox: str | None = None  # None while the broker link is down
        self._window = 1  # until the first batch says otherwise, when nothing was sent yet
        self._sessions: dict[str, Session] = {}
        self._users: defaultdict[str, set[str]] = defaultdict(set)
        self._announced: dict[str, float] = {}  # in the order of their announcements
        self._busy: dict[str, None] = {}  # sessions with a deadline, so that idle ones cost nothing
        self._ticked: float | None = None

    def __len__(self) -> int:
        return len(self._sessions)

    def sessions_of(self, user: str) -> list[str]:
        return sorted(self._users.get(user, ()))

    def in_flight(self) -> int:
        """How many messages were sent to clients and have no outcome yet."""
        return sum(len(self._sessions[session].pending) for session in self._busy)

    def waiting(self) -> int:
        """How many messages wait for room in the window of their session."""
        return sum(len(session.waiting) for session in self._sessions.values())

    def out(self) -> int:
        """How many emitted messages have no answer, those included that others have settled meanwhile."""
        return sum(len(session.sent) for session in self._sessions.values())

    def open(self, session: str, user: str, seen: Sequence[str], now: float, opened_at: float) -> None:
        """A client logged in. `seen` are the ids it handled before, `opened_at` wall clock seconds."""
        self._sessions[session] = Session(self._port, self.ledger, session, user, seen, opened_at)
        self._users[user].add(session)
        self._announce(session, now)

    def close(self, session: str, now: float) -> None:
        """Its transport is gone. Idempotent. What it had in flight, the `closed` lease tells the owner."""
        gone = self._sessions.pop(session, None)
        if gone is None:
            return
        gone.end()
        self._users[gone.user].discard(session)
        if not self._users[gone.user]:
            del self._users[gone.user]
        self._announced.pop(session, None)
        self._busy.pop(session, None)
        if self._inbox is not None:
            self._port.announce(Lease(kind=LeaseKind.CLOSED, session=session, user=gone.user, rev=gone.rev + 1))

    def hold(self, session: str) -> None:
        """Emit nothing more there: its transport is closed as soon as the client has answered what it was sent."""
        if session in self._sessions:
            self._sessions[session].held = True

    def unanswered(self, session: str) -> bool:
        """Whether its client still has to answer anything."""
        return session in self._sessions and bool(self._sessions[session].pending)

    def batch(self, batch: Batch, now: float) -> None:
        """What a dispatcher says, in its order: the order of first deliveries hangs on it (I3)."""
        self._window = batch.window
        for entry in batch.entries:
            self._take(entry, batch.reply, now)

    def answered(self, session: str, message: str, value: bytes, detail: str, now: float) -> None:
        """The client confirmed; `value` is the JSON that it passed."""
        self._answer(session, message, OutcomeKind.CONFIRMED, value, detail, now)

    def refused(self, session: str, message: str, detail: str, now: float) -> None:
        """The client refused, for the reason `detail`."""
        self._answer(session, message, OutcomeKind.REFUSED, b"null", detail, now)

    def link_up(self, inbox: str, now: float) -> None:
        """A fresh connection with a fresh inbox: every session is announced anew, which moves it there."""
        self._inbox = inbox
        for session in self._sessions:
            self._announce(session, now)

    def link_down(self, now: float) -> None:
        """Outcomes may be lost with the link; the ring and the table answer when they are asked for again."""
        self._inbox = None
        for session in self._sessions.values():
            session.forget_waiting()

    def tick(self, now: float) -> None:
        """Every quarter of a second: silent clients are cut, old announcements renewed."""
        gap = 0.0 if self._ticked is None else now - self._ticked
        self._ticked = now
        for session in [self._sessions[name] for name in self._busy]:
            if gap > STALL_SECONDS:
                session.excuse(gap)
            if session.overdue(self._confirm_timeout, now):
                self._busy.pop(session.id, None)
                self._port.cut(session.id, "confirm timeout")
                self.close(session.id, now)
            elif not session.pending and session.full_since is None:
                self._busy.pop(session.id, None)
        if self._inbox is not None:
            self._renew(now)

    def _take(self, entry: Entry, reply: str, now: float) -> None:
        if isinstance(entry, Forward):
            self._forward(entry, reply, now)
            return
        for name in entry.sessions:
            session = self._sessions.get(name)
            if session is None:
                continue  # its close is on the way to whoever said this
            match entry:
                case Settled(_, message):
                    session.settle(message, now)
                case Dropped():
                    self._announce(name, now)
                case Replaced():
                    self._port.replace(name)
                case Evicted():
                    self._port.evict(name)
                case Present():
                    pass  # for who asked, which no gateway does

    def _forward(self, forward: Forward, reply: str, now: float) -> None:
        for name in forward.sessions:
            session = self._sessions.get(name)
            if session is None:
                self.ledger.forwarded += 1
                self.ledger.strangers += 1
                self.ledger.outcomes[OutcomeKind.GONE] += 1
                self._port.report(reply, Outcome(forward.user, forward.message, name, OutcomeKind.GONE))
            else:
                self._busy[name] = None
                session.forward(forward, reply, self._window, now)

    def _answer(self, name: str, message: str, kind: OutcomeKind, value: bytes, detail: str, now: float) -> None:
        session = self._sessions.get(name)
        if session is not None:
            session.answer(message, kind, value, detail, self._window, now)

    def _announce(self, name: str, now: float) -> None:
        if self._inbox is None:
            return
        session = self._sessions[name]
        session.rev += 1
        self._announced.pop(name, None)
        self._announced[name] = now
        self._port.announce(
            Lease(
                kind=LeaseKind.OPEN,
                session=name,
                user=session.user,
                inbox=self._inbox,
                rev=session.rev,
                opened_at=session.opened_at,
                limit=self._limit,
                confirm_timeout=self._confirm_timeout,
            )
        )

    def _renew(self, now: float) -> None:
        for _ in range(RENEWALS_PER_TICK):
            oldest = next(iter(self._announced), None)
            if oldest is None or now - self._announced[oldest] < self._renew_seconds:
                return
            self._announce(oldest, now)
