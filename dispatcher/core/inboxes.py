"""Which sessions each gateway inbox serves, and when an inbox must be asked whether it is still there.

A batch that was accepted into an inbox before its gateway died comes back from nowhere: only the next
publish is returned (TRAPS E26). So every inbox is asked from time to time, soon while something is in flight.
"""

from collections.abc import Iterator

from dispatcher.core.rules import BUSY_PROBE_SECONDS, IDLE_PROBE_SECONDS
from dispatcher.core.session import Session


class Inboxes:
    """Inboxes by name, in the order in which they were first heard of."""

    def __init__(self) -> None:
        self._sessions: dict[str, dict[str, Session]] = {}
        self._asked: dict[str, float] = {}

    def add(self, session: Session) -> None:
        self._sessions.setdefault(session.inbox, {})[session.id] = session

    def remove(self, session: Session) -> None:
        at = self._sessions[session.inbox]
        del at[session.id]
        if not at:
            del self._sessions[session.inbox]
            self._asked.pop(session.inbox, None)

    def sessions_at(self, inbox: str) -> list[Session]:
        return list(self._sessions.get(inbox, {}).values())

    def __len__(self) -> int:
        return len(self._sessions)

    def due(self, busy: set[str], now: float) -> Iterator[str]:
        """The inboxes to ask now; `busy` are those with something in flight."""
        for inbox in self._sessions:
            asked = self._asked.setdefault(inbox, now)
            if now - asked >= (BUSY_PROBE_SECONDS if inbox in busy else IDLE_PROBE_SECONDS):
                self._asked[inbox] = now
                yield inbox
