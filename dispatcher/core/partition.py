"""One partition of the users: whether it is ours, and the leases of its sessions.

A lease is held unacked for as long as its session lives. So the broker hands all of them, in order, to the
next dispatcher when this one dies: that is the whole hand-over.
"""

from enum import Enum, auto
from math import inf

from dispatcher.core.inboxes import Inboxes
from dispatcher.core.ports import Port
from dispatcher.core.rules import TAKE_OVER_SECONDS, Books, Rules
from dispatcher.core.session import Session, by_inbox
from dispatcher.core.user import User
from shared.names import is_user_id, partition_of
from shared.wire import Dropped, Evicted, Lease, LeaseKind, Present, Replaced, Unreadable, decode_lease

RETURN_SECONDS = 1.0
STRANGER_SECONDS = 5.0
"""How long a partition is left alone after its channel failed, and after none of its leases could be read."""


class Standing(Enum):
    """STANDBY: waits for its turn. TAKING: the leases are coming in. LEAVING and AWAY: no channel."""

    AWAY = auto()
    STANDBY = auto()
    TAKING = auto()
    OWNER = auto()
    LEAVING = auto()


class Partition:
    """Facts about one partition in, calls on the port out."""

    def __init__(self, number: int, of: int, port: Port, rules: Rules, books: Books, inboxes: Inboxes) -> None:
        self.number = number
        self._of = of
        self._port = port
        self._rules = rules
        self._books = books
        self._inboxes = inboxes
        self.standing = Standing.AWAY
        self.users: dict[str, User] = {}
        self.sessions: dict[str, Session] = {}
        self.unreadable = 0
        self._orphans: list[Session] = []  # those of a channel that was lost, until it is known that there is a queue
        self._heard: dict[str, float] = {}  # when each lease was last renewed, oldest first
        self._strangers: list[int] = []  # leases that cannot be read, until it is known whether any can
        self._since = inf  # TAKING: when it began; AWAY: when to come back, not before the start
        self._draining = False

    @property
    def owned(self) -> bool:
        return self.standing in (Standing.TAKING, Standing.OWNER)

    @property
    def in_flight(self) -> bool:
        """Whether anything waits for a confirmation."""
        return any(user.flights for user in self.users.values())

    def enter(self) -> None:
        """Queue up for the partition, behind whoever is there."""
        self.standing = Standing.STANDBY
        self._port.enter(self.number)

    def leave(self, now: float, pause_seconds: float = 0.0) -> None:
        """Give it up by closing its channel; the broker takes everything back in order."""
        self.forget_all()
        self.standing = Standing.LEAVING
        self._since = now + pause_seconds
        self._port.leave(self.number)

    def drain(self, now: float) -> None:
        """For good: nothing more is taken; who owns it decides when it leaves."""
        self._draining = True
        if self.standing is Standing.OWNER:
            self._port.take_no_more(self.number)
        elif self.standing in (Standing.STANDBY, Standing.TAKING):
            self.leave(now)

    def left(self) -> None:
        if self.standing is Standing.LEAVING:
            self.standing = Standing.AWAY

    def lost(self, now: float) -> None:
        """The channel is gone, and with it every tag; if the queue was deleted, every lease too."""
        self._orphans = list(self.sessions.values())
        self.forget_all()
        self.standing = Standing.AWAY
        self._since = now + RETURN_SECONDS

    def mended(self) -> None:
        """Its queue is there, perhaps a new and empty one: whoever was lost with it is to be announced again."""
        for inbox, sessions in by_inbox(self._orphans).items():
            self._port.tell(inbox, Dropped(sessions))
        self._orphans = []

    def tick(self, now: float) -> list[User]:
        """Returns the users who have to be looked after from now on."""
        if self.standing is Standing.AWAY:
            if now >= self._since and not self._draining:
                self.enter()
        elif self.standing is Standing.TAKING and now - self._since >= TAKE_OVER_SECONDS:
            self._own(now)
        elif self.standing is Standing.OWNER:
            return self._expire(now)
        return []

    def leased(self, tag: int, body: bytes, now: float) -> User | None:
        """A message of the lease queue. Receiving any means owning the partition.

        Returns the user who may have to be looked after from now on.
        """
        if self.standing is Standing.STANDBY:
            self.standing = Standing.TAKING
            self._since = now
        elif not self.owned:
            return None
        try:
            lease = decode_lease(body)
        except Unreadable:
            self._stranger(tag, now)
            return None
        match lease.kind:
            case LeaseKind.OPEN:
                return self._open(tag, lease, now)
            case LeaseKind.CLOSED:
                session = self.sessions.get(lease.session)
                user = self.drop(session, now) if session is not None else None
                self._port.ack(self.number, tag)  # after the lease's own ack: else a cut between leaves a ghost
                return user
            case LeaseKind.HELLO:
                if lease.inbox and self.standing is Standing.OWNER:  # before that it may not know all: asked again
                    self._tell_of(lease.user, lease.inbox)
                self._port.ack(self.number, tag)
                return None
            case LeaseKind.EVICT:
                self._evict(lease.user)
                self._port.ack(self.number, tag)
                return None

    def drop(self, session: Session, now: float) -> User:
        """The session is gone: its lease is acked and its user's deliveries are decided without it."""
        del self.sessions[session.id]
        self._heard.pop(session.id, None)
        self._inboxes.remove(session)
        self._port.ack(self.number, session.lease)
        user = self.users[session.user]
        user.end(session, now)
        self.sweep(user)
        return user

    def give_up(self, session: Session, now: float) -> None:
        """Its gateway answers nothing. If it is alive after all, it announces the session again."""
        self._port.tell(session.inbox, Dropped((session.id,)))
        self.drop(session, now)

    def sweep(self, user: User) -> None:
        """Forget a user whom nobody represents any more."""
        if user.absent and self.users.get(user.name) is user:
            del self.users[user.name]

    def _open(self, tag: int, lease: Lease, now: float) -> User | None:
        known = self.sessions.get(lease.session)
        if known is not None:
            self._renew(known, tag, lease, now)
            return self.users[known.user]
        if not is_user_id(lease.user) or partition_of(lease.user) % self._of != self.number or not lease.inbox:
            self.unreadable += 1
            self._port.ack(self.number, tag)
            return None
        session = Session(
            lease.session,
            lease.user,
            lease.inbox,
            tag,
            lease.rev,
            lease.opened_at,
            lease.limit,
            lease.confirm_timeout,
        )
        self.sessions[session.id] = session
        self._heard[session.id] = now
        self._inboxes.add(session)
        user = self.users.get(lease.user)
        if user is None:
            user = self.users[lease.user] = User(lease.user, self.number, self._port, self._rules, self._books)
        user.open(session, now)
        if self.standing is Standing.OWNER:
            user.begin()
            self._keep_limit(user, session.limit)
        return user

    def _renew(self, session: Session, tag: int, lease: Lease, now: float) -> None:
        if lease.rev <= session.rev:
            self._port.ack(self.number, tag)
            return
        self._port.ack(self.number, session.lease)
        session.lease, session.rev = tag, lease.rev
        self._heard.pop(session.id, None)
        self._heard[session.id] = now
        if lease.inbox != session.inbox:
            self._inboxes.remove(session)
            session.inbox = lease.inbox
            session.reminded = False
            self._inboxes.add(session)
            self.users[session.user].open(session, now)

    def _keep_limit(self, user: User, limit: int) -> None:
        excess = len(user.sessions) - limit
        if limit and excess > 0:
            for session in sorted(user.sessions.values(), key=lambda session: session.opened_at)[:excess]:
                self._port.tell(session.inbox, Replaced((session.id,)))

    def _evict(self, name: str) -> None:
        """An operator ends the user's sessions: of those that were announced before, none is missing here.

        What is lost with a dispatcher or a gateway is not said again: whoever asked looks, and asks again.
        """
        user = self.users.get(name)
        for inbox, sessions in by_inbox(user.sessions.values() if user is not None else ()).items():
            self._port.tell(inbox, Evicted(sessions))

    def _tell_of(self, name: str, asker: str) -> None:
        """An operator asks who is there."""
        user = self.users.get(name)
        sessions = list(user.sessions.values()) if user is not None else []
        for one in sessions:
            pending = len(one.pending)
            self._port.tell(asker, Present(name, (one.id,), one.inbox, len(sessions), pending, one.opened_at))
        if not sessions:
            self._port.tell(asker, Present(name, ()))

    def _own(self, now: float) -> None:
        if self._strangers and not self.sessions:
            self.leave(now, STRANGER_SECONDS)  # a newer dispatcher can read them
            return
        self.standing = Standing.OWNER
        strangers, self._strangers = self._strangers, []
        for tag in strangers:
            self._port.ack(self.number, tag)
        for user in list(self.users.values()):
            user.begin()
            self._keep_limit(user, min((session.limit for session in user.sessions.values()), default=0))

    def _stranger(self, tag: int, now: float) -> None:
        self.unreadable += 1
        if self.standing is Standing.TAKING:
            self._strangers.append(tag)
        elif self.sessions:
            self._port.ack(self.number, tag)
        else:
            self.leave(now, STRANGER_SECONDS)

    def _expire(self, now: float) -> list[User]:
        """Returns whose sessions they were."""
        users: list[User] = []
        while self._heard:
            session = next(iter(self._heard))
            if now - self._heard[session] < self._rules.lease_seconds:
                break
            users.append(self.drop(self.sessions[session], now))
        return users

    def forget_all(self) -> None:
        """With its channel: the broker has all of it again."""
        self._books.ledger.cut_off += sum(user.held for user in self.users.values())
        for session in self.sessions.values():
            self._inboxes.remove(session)
        self._books.void(self.number)
        self.users.clear()
        self.sessions.clear()
        self._heard.clear()
        self._strangers.clear()
