"""One session's window: what its client was sent and has not answered, what waits for room, what it confirmed.

Here lies invariant I4: an id in flight is not emitted again, an id in the ring is answered at once. So a new
owner of the user may forward everything again.
"""

from collections.abc import Sequence

from gateway.core.ledger import Ledger
from gateway.core.ports import Port
from gateway.core.ring import Ring
from shared.pending import Pending
from shared.wire import Forward, Outcome, OutcomeKind


class Session:
    """`sent` maps each emitted id to the inbox that wants its outcome; those not in `pending` are settled."""

    __slots__ = (
        "_ledger",
        "_port",
        "full_since",
        "held",
        "id",
        "opened_at",
        "pending",
        "rev",
        "ring",
        "sent",
        "user",
        "waiting",
    )

    def __init__(
        self, port: Port, ledger: Ledger, session: str, user: str, seen: Sequence[str], opened_at: float
    ) -> None:
        self._port = port
        self._ledger = ledger
        self.id = session
        self.user = user
        self.opened_at = opened_at
        self.rev = 0
        self.ring = Ring(seen)
        self.sent: dict[str, str] = {}
        self.pending = Pending()
        self.waiting: dict[str, tuple[Forward, str]] = {}
        self.full_since: float | None = None  # None while nothing waits for room
        self.held = False  # it is about to be closed: nothing more is emitted

    def forward(self, forward: Forward, reply: str, window: int, now: float) -> None:
        """A dispatcher wants this message confirmed; its outcome goes to `reply` from now on."""
        message = forward.message
        self._ledger.forwarded += 1
        if message in self.ring:
            self._ledger.known += 1
            self.report(reply, message, OutcomeKind.CONFIRMED, self.ring.value(message))
        elif message in self.sent:
            self._ledger.repeated += 1
            self.sent[message] = reply
            self.pending.add(message, now)
        elif message in self.waiting:
            self._ledger.repeated += 1
            self.waiting[message] = (forward, reply)
        elif self.held or self.waiting or len(self.sent) >= window:
            self.waiting[message] = (forward, reply)
            if self.full_since is None:
                self.full_since = now
        else:
            self._emit(forward, reply, now)

    def settle(self, message: str, now: float) -> None:
        """Another session settled it. What was emitted stays until its callback, without a deadline (I4)."""
        if self.waiting.pop(message, None) is not None:
            self._ledger.withdrawn += 1
            if not self.waiting:
                self.full_since = None
        else:
            self.pending.discard(message, now)

    def answer(self, message: str, kind: OutcomeKind, value: bytes, detail: str, window: int, now: float) -> None:
        """The client's callback fired. Answers to what it was not sent are ignored."""
        reply = self.sent.pop(message, None)
        if reply is None:
            return
        if kind is OutcomeKind.CONFIRMED:
            self._ledger.confirmed += 1
            self.ring.add(message, value)
        else:
            self._ledger.refused += 1
        if message in self.pending:
            self.pending.discard(message, now)
            self.report(reply, message, kind, value, detail)
        self._fill(window, now)

    def overdue(self, timeout: float, now: float) -> bool:
        """Whether this client was silent for too long; the outcome `unconfirmed` is then on its way.

        Only the oldest unanswered message counts an attempt: the others were behind it.
        """
        oldest = self.pending.oldest
        if oldest is not None and now - self.pending.since >= timeout:
            self.report(self.sent[oldest], oldest, OutcomeKind.UNCONFIRMED)
            return True
        return self.full_since is not None and now - self.full_since >= timeout

    def excuse(self, seconds: float) -> None:
        """This process stood still for so long: no client could have been heard."""
        self.pending.since += seconds
        if self.full_since is not None:
            self.full_since += seconds

    def forget_waiting(self) -> None:
        """The broker connection is gone: what still waits is forwarded again, in order, after the reconnect."""
        self._ledger.withdrawn += len(self.waiting)
        self.waiting.clear()
        self.full_since = None

    def end(self) -> None:
        """Its transport is gone: whoever owns the user hears it, and does what is right."""
        self._ledger.unanswered += len(self.sent)
        self._ledger.withdrawn += len(self.waiting)

    def report(self, reply: str, message: str, kind: OutcomeKind, value: bytes = b"null", detail: str = "") -> None:
        self._ledger.outcomes[kind] += 1
        self._port.report(reply, Outcome(self.user, message, self.id, kind, value, detail))

    def _emit(self, forward: Forward, reply: str, now: float) -> None:
        self._ledger.emitted += 1
        self.sent[forward.message] = reply
        self.pending.add(forward.message, now)
        self._port.emit(self.id, forward.message, forward.event, forward.attachment)

    def _fill(self, window: int, now: float) -> None:
        while self.waiting and not self.held and len(self.sent) < window:
            forward, reply = self.waiting.pop(next(iter(self.waiting)))
            self._emit(forward, reply, now)
        self.full_since = now if self.waiting else None
