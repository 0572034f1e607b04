"""What the gateway's core asks of the world. Every call returns at once and must not call the core back."""

from typing import Protocol

from shared.wire import Lease, Outcome


class Port(Protocol):
    """Two implementations: the real sockets and broker link (`gateway/app.py`), and the simulation's."""

    def emit(self, session: str, message: str, event: bytes, attachment: bytes | None) -> None:
        """Send the event `message` to the session's client, in the order of the calls.

        The client's callback comes back as the fact `Sessions.answered(session, message, ...)`.
        """

    def cut(self, session: str, why: str) -> None:
        """Close the transport of a session, so that a stock client reconnects by itself."""

    def replace(self, session: str) -> None:
        """Tell the client `replaced`, then disconnect it for good: it is over its user's limit."""

    def evict(self, session: str) -> None:
        """Disconnect the client for good, without a word: an operator ended it."""

    def announce(self, lease: Lease) -> None:
        """Publish a lease, confirmed, in the order of the calls. Called only while the link is up."""

    def report(self, reply: str, outcome: Outcome) -> None:
        """Send an outcome to the dispatcher whose inbox is `reply`. May be lost with the link."""
