"""A session as the dispatcher knows it: from its lease."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

from shared.pending import Pending


@dataclass(slots=True, eq=False)
class Session:
    """`lease` is the tag of the newest lease, held unacked for as long as the session lives.

    `pending` holds what it was sent and can still confirm; `reminded` says that it was sent all that again
    after the outcomes did not come in time.
    """

    id: str
    user: str
    inbox: str
    lease: int
    rev: int
    opened_at: float
    limit: int
    confirm_timeout: float
    pending: Pending = field(default_factory=Pending)
    reminded: bool = False

    @property
    def patience_seconds(self) -> float:
        """Longer than the gateway's own deadline, which comes first unless the gateway is in trouble."""
        return self.confirm_timeout * 1.25 + 5.0

    @property
    def silent_at(self) -> float:
        """When it has been silent for too long."""
        return self.pending.since + self.patience_seconds if self.pending else inf


def by_inbox(sessions: Iterable[Session]) -> dict[str, tuple[str, ...]]:
    """Their ids."""
    inboxes: dict[str, list[str]] = {}
    for session in sessions:
        inboxes.setdefault(session.inbox, []).append(session.id)
    return {inbox: tuple(names) for inbox, names in inboxes.items()}
