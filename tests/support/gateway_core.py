"""The gateway's core with a port that writes down every call, for tests that say what goes in and what comes out."""

from dataclasses import dataclass

from gateway.core.ports import Port
from gateway.core.sessions import RENEW_SECONDS, Sessions
from shared.wire import NULL, Batch, Dropped, Entry, Evicted, Forward, Lease, Outcome, OutcomeKind, Replaced, Settled


@dataclass(frozen=True, slots=True)
class Emit:
    session: str
    message: str


@dataclass(frozen=True, slots=True)
class Cut:
    session: str


@dataclass(frozen=True, slots=True)
class Replace:
    session: str


@dataclass(frozen=True, slots=True)
class Evict:
    session: str


@dataclass(frozen=True, slots=True)
class Announce:
    lease: Lease


@dataclass(frozen=True, slots=True)
class Report:
    reply: str
    outcome: Outcome


Call = Emit | Cut | Replace | Evict | Announce | Report


class Recorder(Port):
    """`calls` in their order; `events` keeps what the clients were sent with each emit."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.events: list[tuple[bytes, bytes | None]] = []

    def emit(self, session: str, message: str, event: bytes, attachment: bytes | None) -> None:
        self.calls.append(Emit(session, message))
        self.events.append((event, attachment))

    def cut(self, session: str, why: str) -> None:
        self.calls.append(Cut(session))

    def replace(self, session: str) -> None:
        self.calls.append(Replace(session))

    def evict(self, session: str) -> None:
        self.calls.append(Evict(session))

    def announce(self, lease: Lease) -> None:
        self.calls.append(Announce(lease))

    def report(self, reply: str, outcome: Outcome) -> None:
        self.calls.append(Report(reply, outcome))

    def take(self) -> list[Call]:
        """The calls since the last time."""
        calls, self.calls = self.calls, []
        return calls


def report(
    session: str, message: str, kind: OutcomeKind, *, value: bytes = NULL, detail: str = "", reply: str = "d1"
) -> Report:
    """An outcome of one of alice's messages, as it is told."""
    return Report(reply, Outcome("alice", message, session, kind, value, detail))


class Desk:
    """A gateway whose link is up at inbox `g1`, with alice's sessions `sessions`; a window of 2 unless told."""

    def __init__(
        self, *sessions: str, confirm_timeout: float = 30.0, limit: int = 0, renew_seconds: float = RENEW_SECONDS
    ) -> None:
        self.port = Recorder()
        self.core = Sessions(self.port, confirm_timeout=confirm_timeout, limit=limit, renew_seconds=renew_seconds)
        self.now = 0.0
        self.core.link_up("g1", self.now)
        self.core.tick(self.now)
        for session in sessions:
            self.open(session)
        self.port.take()

    def take(self) -> list[Call]:
        return self.port.take()

    def open(self, session: str, *seen: str, user: str = "alice", opened_at: float = 0.0) -> None:
        self.core.open(session, user, seen, self.now, opened_at)

    def close(self, session: str) -> None:
        self.core.close(session, self.now)

    def tell(self, *entries: Entry, reply: str = "d1", window: int = 2) -> None:
        self.core.batch(Batch(reply, window, entries), self.now)

    def forward(self, *messages: str, to: tuple[str, ...] = ("s1",), reply: str = "d1", window: int = 2) -> None:
        self.tell(*(Forward("alice", message, to, b"{}") for message in messages), reply=reply, window=window)

    def settle(self, message: str, *sessions: str) -> None:
        self.tell(Settled("alice", message, sessions))

    def drop(self, *sessions: str) -> None:
        self.tell(Dropped(sessions))

    def replace(self, *sessions: str) -> None:
        self.tell(Replaced(sessions))

    def evict(self, *sessions: str) -> None:
        self.tell(Evicted(sessions))

    def confirm(self, session: str, message: str, value: bytes = NULL) -> None:
        self.core.answered(session, message, value, "", self.now)

    def refuse(self, session: str, message: str, detail: str) -> None:
        self.core.refused(session, message, detail, self.now)

    def wait(self, seconds: float) -> None:
        """Time passes as it does in a process that runs well: with a tick every quarter of a second."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 0.25, end)
            self.core.tick(self.now)

    def stall(self, seconds: float) -> None:
        """The process stands still for so long, then ticks."""
        self.now += seconds
        self.core.tick(self.now)
