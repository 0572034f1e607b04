"""One user who has a session here: the window onto the user's queue, and what becomes of each delivery.

The broker is acked for a message only after a client confirmed it or after its record (dead letter, receipt)
was confirmed (I2). Everything is sent, released and sent again in the order of the queue (I3).
"""

from enum import Enum, auto
from math import inf

from dispatcher.core.delivery import Arrival, Flight
from dispatcher.core.ports import Port
from dispatcher.core.rules import Books, Rules
from dispatcher.core.session import Session, by_inbox
from shared.message import Content, DeadLetter, Reason, Receipt, Verdict
from shared.wire import Forward, Outcome, OutcomeKind, Settled


class Stage(Enum):
    """IDLE: no consumer. DECLARING: the queue is being made. CANCELLING: the consumer is being given up.

    RELEASING: it is given up, and what is held goes back once nothing before it is on its way to `dead-letters`.
    """

    IDLE = auto()
    DECLARING = auto()
    CONSUMING = auto()
    CANCELLING = auto()
    RELEASING = auto()


_REASONS = {Verdict.REFUSED: Reason.REFUSED, Verdict.UNCONFIRMED: Reason.UNCONFIRMED}


class User:
    """`flights` are the messages in flight by id, in queue order; `sessions` those that are connected.

    While a dead letter is under way (`_burying`), whoever comes new is `_held`: if this dispatcher died now,
    the message would come back to its place, and must not be later than what was sent after it (I3).
    """

    __slots__ = (
        "_books",
        "_burying",
        "_held",
        "_linger_until",
        "_port",
        "_rules",
        "flights",
        "name",
        "partition",
        "sessions",
        "stage",
    )

    def __init__(self, name: str, partition: int, port: Port, rules: Rules, books: Books) -> None:
        self.name = name
        self.partition = partition
        self._port = port
        self._rules = rules
        self._books = books
        self.stage = Stage.IDLE
        self.sessions: dict[str, Session] = {}
        self.flights: dict[str, Flight] = {}
        self._linger_until = 0.0  # meaningful while there is no session
        self._burying: set[int] = set()
        self._held: dict[str, Session] = {}

    def __repr__(self) -> str:
        return f"<User {self.name} {self.stage.name} sessions={len(self.sessions)} flights={len(self.flights)}>"

    @property
    def absent(self) -> bool:
        """Nobody is here and nothing is held: the user can be forgotten."""
        return self.stage is Stage.IDLE and not self.sessions and not self._burying

    @property
    def held(self) -> int:
        """Deliveries in flight. What is being recorded is in the books."""
        return sum(len(flight.arrivals) for flight in self.flights.values())

    @property
    def restless(self) -> bool:
        """Whether time alone can change anything."""
        return bool(self.flights) or not self.sessions

    @property
    def due(self) -> float:
        """When time alone changes something, unless anything else happens before."""
        return min([self._release_at(), *(session.silent_at for session in self.sessions.values())])

    # --- sessions come and go ------------------------------------------------------------

    def begin(self) -> None:
        """Consume the user's queue, if anybody is here. The queue is declared first: a consume must not fail."""
        if self.stage is Stage.IDLE and self.sessions and not self._burying:
            self.stage = Stage.DECLARING
            self._port.declare(self.name)

    def open(self, session: Session, now: float) -> None:
        """A session is here, or moved to another inbox: it is sent what is in flight, in order."""
        self.sessions[session.id] = session
        session.pending.clear()
        if self._burying:
            self._held[session.id] = session
        elif self.stage in (Stage.CONSUMING, Stage.DECLARING):
            for flight in list(self.flights.values()):
                self._books.ledger.again_session += flight.tried
                self._send(flight, [session], now)

    def end(self, session: Session, now: float) -> None:
        """The session is gone; what only it could still confirm is decided, or waits for the next session."""
        del self.sessions[session.id]
        self._held.pop(session.id, None)
        # Not by its `pending`: that of a session that moved during a burial is empty until the burial is over.
        for flight in [flight for flight in self.flights.values() if session.id in flight.waiting_on]:
            flight.waiting_on.discard(session.id)
            self._decide(flight, now)
        self._linger_until = now + self._rules.linger_seconds

    # --- the broker ----------------------------------------------------------------------

    def declared(self) -> None:
        if self.stage is not Stage.DECLARING:
            return
        if self.sessions:
            self.stage = Stage.CONSUMING
            self._port.consume(self.partition, self.name)
        else:
            self._release()

    def arrive(self, arrival: Arrival, now: float) -> None:
        """The broker delivered a message. One that can never be delivered is recorded and takes no part."""
        arrival.at = now
        match arrival.content:
            case _ if self.stage is Stage.IDLE:
                self._books.ledger.given_back += 1
                self._port.nack(self.partition, arrival.tag)
            case DeadLetter() as letter:
                self._close(arrival, letter, Receipt(Verdict.REJECTED, detail=letter.detail))
            case Content(id=message) if message in self.flights:
                self.flights[message].arrivals.append(arrival)
            case Content(id=message) as content:
                self.flights[message] = flight = Flight(content, [arrival])
                self._books.ledger.again_broker += arrival.redelivered
                if self.stage not in (Stage.CANCELLING, Stage.RELEASING):
                    self._send(flight, [s for s in self.sessions.values() if s.id not in self._held], now)

    def cancelled(self) -> None:
        """CancelOk: no delivery comes any more, what is held goes back, and whoever waited is served."""
        if self.stage is Stage.CANCELLING:
            self._release()

    def consumer_lost(self) -> None:
        """The queue was deleted or moved under the consumer. What is in flight can still be confirmed."""
        if self.stage is not Stage.CONSUMING:
            return
        if self.sessions:
            self.stage = Stage.DECLARING
            self._port.declare(self.name)
        else:
            self._release()

    def recorded(self, ticket: int, now: float) -> None:
        """A record is safe. After the last burial, who was held is served."""
        self._burying.discard(ticket)
        if not self._burying:
            if self.stage is Stage.RELEASING:
                self._release()
            held, self._held = self._held, {}
            for session in held.values():
                self.open(session, now)
            self.begin()

    # --- the clients ---------------------------------------------------------------------

    def outcome(self, outcome: Outcome, now: float) -> None:
        """What a session made of a message; `gone` is not for here."""
        session = self.sessions.get(outcome.session)
        if session is not None:
            session.pending.discard(outcome.message, now)
            session.reminded = False
        flight = self.flights.get(outcome.message)
        if outcome.kind is OutcomeKind.UNCONFIRMED and (flight is None or flight is self._oldest()):
            self._books.attempts.add(self.name, outcome.message)
        if flight is None:
            return
        flight.waiting_on.discard(outcome.session)
        if outcome.kind is OutcomeKind.CONFIRMED:
            self._settle(flight, Verdict.CONFIRMED, outcome.value, outcome.detail, now)
            return
        if outcome.kind is OutcomeKind.REFUSED and flight.refused is None:
            flight.refused = outcome.detail
        self._decide(flight, now)

    # --- time ----------------------------------------------------------------------------

    def tick(self, now: float) -> list[Session]:
        """Ends a linger and a hold that lasted too long. Returns the sessions to be given up."""
        if now >= self._release_at():
            self.stage = Stage.CANCELLING
            self._port.cancel(self.partition, self.name)
        if self.stage in (Stage.CANCELLING, Stage.RELEASING):
            return []
        silent = [session for session in self.sessions.values() if now >= session.silent_at]
        given_up = [session for session in silent if session.reminded]
        for session in [session for session in silent if not session.reminded]:
            self._remind(session, now)
        return given_up

    def _release_at(self) -> float:
        """When the linger ends, or the oldest has been held for too long."""
        if self.stage is not Stage.CONSUMING:
            return inf
        oldest = self._oldest()
        held_until = inf if oldest is None else oldest.arrivals[0].at + self._rules.hold_seconds
        return held_until if self.sessions else min(held_until, self._linger_until)

    def _remind(self, session: Session, now: float) -> None:
        """The outcomes did not come: a forward or an outcome was lost with whoever carried it."""
        session.reminded = True
        self._books.ledger.again_silence += len(session.pending)
        for message in list(session.pending):
            self._send(self.flights[message], [session], now)
        session.pending.since = now

    # --- deliveries ----------------------------------------------------------------------

    def _oldest(self) -> Flight | None:
        return next(iter(self.flights.values()), None)

    def _send(self, flight: Flight, sessions: list[Session], now: float) -> None:
        message = flight.content.id
        event = flight.content.event(flight.tried or flight.arrivals[0].redelivered)
        for session in sessions:
            session.pending.add(message, now)
            flight.waiting_on.add(session.id)
            flight.tried = True
        for inbox, names in by_inbox(sessions).items():
            self._port.tell(inbox, Forward(self.name, message, names, event, flight.content.attachment))

    def _decide(self, flight: Flight, now: float) -> None:
        """Without a confirmation, a message is settled only when no session that was sent it can still confirm.

        But sessions that come back by turns must not keep it for ever: twice the attempts are enough.
        """
        attempts = self._books.attempts.count(self.name, flight.content.id)
        if flight.waiting_on and attempts < 2 * self._rules.max_attempts:
            return
        if flight.refused is not None:
            self._settle(flight, Verdict.REFUSED, b"null", flight.refused, now)
        elif attempts >= self._rules.max_attempts:
            self._settle(flight, Verdict.UNCONFIRMED, b"null", f"not confirmed in {attempts} attempts", now)

    def _settle(self, flight: Flight, verdict: Verdict, value: bytes, detail: str, now: float) -> None:
        """Every delivery with this id is settled, and every other session is told not to bother."""
        message = flight.content.id
        del self.flights[message]
        attempts = self._books.attempts.count(self.name, message)
        self._books.attempts.forget(self.name, message)
        told = [session for session in self.sessions.values() if session.id in flight.waiting_on]
        for session in told:
            session.pending.discard(message, now)
        for inbox, names in by_inbox(told).items():
            self._port.tell(inbox, Settled(self.name, message, names))
        reason = _REASONS.get(verdict)
        letter = None if reason is None else DeadLetter(reason, detail, attempts)
        receipt = Receipt(verdict, value, detail, attempts)
        for arrival in flight.arrivals:
            if verdict is Verdict.CONFIRMED:
                self._books.ledger.confirmation(arrival.at, arrival.sent_at, now)
            self._close(arrival, letter, receipt)

    def _close(self, arrival: Arrival, letter: DeadLetter | None, receipt: Receipt) -> None:
        if letter is None and not arrival.wants_receipt:
            self._books.ledger.acked(receipt.verdict)
            self._port.ack(self.partition, arrival.tag)
            return
        ticket = self._books.ticket(self.partition, arrival.tag, self.name, receipt.verdict)
        if letter is not None and receipt.verdict is not Verdict.REJECTED:
            self._burying.add(ticket)
        self._port.record(ticket, self.name, arrival, letter, receipt if arrival.wants_receipt else None)

    def _release(self) -> None:
        """Give everything back in order, then begin again if somebody came meanwhile.

        Not before the last burial is over: a quorum queue puts what comes back first in front, so a message whose
        burial fails with this dispatcher would come back behind those that were after it (I3).
        """
        if self._burying:
            self.stage = Stage.RELEASING
            return
        held = [arrival for flight in self.flights.values() for arrival in flight.arrivals]
        self._books.ledger.given_back += len(held)
        for arrival in sorted(held, key=lambda arrival: arrival.tag):
            self._port.nack(self.partition, arrival.tag)
        self.flights.clear()
        for session in self.sessions.values():
            session.pending.clear()
        self.stage = Stage.IDLE
        self.begin()
