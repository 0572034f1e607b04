"""What the dispatcher's core asks of the world. Every call returns at once and must not call the core back.

Tags are those of the partition's current channel. Facts that come from a channel that was closed or lost
must not be passed to the core: the adapter drops them.
"""

from typing import Protocol

from dispatcher.core.delivery import Arrival
from shared.message import DeadLetter, Receipt
from shared.wire import Entry


class Port(Protocol):
    """Two implementations: the real broker link (`dispatcher/app.py`), and the simulation's."""

    def ack(self, partition: int, tag: int) -> None:
        """Ack one delivery or lease on the partition's channel."""

    def nack(self, partition: int, tag: int) -> None:
        """Give one delivery back to its place in the queue (requeue)."""

    def declare(self, user: str) -> None:
        """Declare the user's queue, and see that it gets bound, elsewhere than on a partition channel.

        Comes back as `Dispatcher.declared(user)`, also when the queue exists with other arguments (then the
        adapter says so in the log and counts it).
        """

    def consume(self, partition: int, user: str) -> None:
        """Consume the user's queue on the partition's channel, with a prefetch of the window."""

    def cancel(self, partition: int, user: str) -> None:
        """Cancel that consumer; comes back as `Dispatcher.cancelled(user)` after CancelOk."""

    def tell(self, inbox: str, entry: Entry) -> None:
        """Send an entry to a gateway, in the order of the calls, batched, mandatory.

        If it comes back unroutable: `Dispatcher.returned(inbox)`.
        """

    def probe(self, inbox: str) -> None:
        """Send the gateway an empty mandatory batch, to learn whether its inbox is there."""

    def record(
        self, ticket: int, user: str, arrival: Arrival, letter: DeadLetter | None, receipt: Receipt | None
    ) -> None:
        """Publish a dead letter and/or a receipt, each confirmed, in this order.

        Comes back as `Dispatcher.recorded(ticket)` once both are confirmed. The adapter tries again until
        they are, or until the connection is gone (then the broker still has the original).
        """

    def take_no_more(self, partition: int) -> None:
        """Cancel the consumers of all users on the partition's channel, and consume none from now on.

        What was delivered may still be acked. A cancel that the core asked for itself is answered as ever.
        """

    def enter(self, partition: int) -> None:
        """Open the partition's channel, consume its leases there, then publish a `hello`."""

    def leave(self, partition: int) -> None:
        """Close the partition's channel. The broker takes leases and messages back, in order."""
