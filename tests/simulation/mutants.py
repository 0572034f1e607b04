"""Deliberate faults, one at a time, put into the code that the simulation runs: each must be found.

They are the mistakes that the design warns of. A simulation that does not find them would prove nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dispatcher.core import partition as partition_module
from dispatcher.core import user as user_module
from dispatcher.core.delivery import Arrival, Flight
from dispatcher.core.dispatcher import Dispatcher
from dispatcher.core.inboxes import Inboxes
from dispatcher.core.partition import Partition
from dispatcher.core.session import Session as Lessee
from dispatcher.core.user import Stage, User
from gateway.core.ring import Ring
from gateway.core.session import Session
from gateway.core.sessions import Sessions
from shared.wire import Forward, LeaseKind, OutcomeKind, decode_lease
from tests.simulation.dispatcher import DispatcherNode, Generation
from tests.simulation.link import Link
from tests.simulation.world import World

Patch = tuple[object, str, Any]


def acks_before_the_client_confirms() -> list[Patch]:
    arrive = User.arrive

    def early(self: User, arrival: Arrival, now: float) -> None:
        arrive(self, arrival, now)
        for flight in self.flights.values():
            if arrival in flight.arrivals:
                flight.arrivals.remove(arrival)
                self._port.ack(self.partition, arrival.tag)
                if not flight.arrivals:
                    flight.arrivals.append(Arrival(-1, redelivered=False, content=flight.content))

    return [(User, "arrive", early)]


def acks_before_the_dead_letter_is_safe() -> list[Patch]:
    def close(self: User, arrival: Arrival, *rest: Any) -> None:
        self._port.ack(self.partition, arrival.tag)

    return [(User, "_close", close)]


def has_no_ring() -> list[Patch]:
    return [(Ring, "__contains__", lambda self, message: False)]


def forgets_what_the_client_has_seen() -> list[Patch]:
    opened = Sessions.open

    def amnesia(self: Sessions, session: str, user: str, seen: Any, now: float, opened_at: float) -> None:
        opened(self, session, user, (), now, opened_at)

    return [(Sessions, "open", amnesia)]


def emits_again_what_is_in_flight() -> list[Patch]:
    forward = Session.forward

    def again(self: Session, item: Forward, reply: str, window: int, now: float) -> None:
        self.sent.pop(item.message, None)
        self.pending.discard(item.message, now)
        forward(self, item, reply, window, now)

    return [(Session, "forward", again)]


def does_not_send_again_what_is_in_flight() -> list[Patch]:
    def silently(self: User, session: Lessee, now: float) -> None:
        self.sessions[session.id] = session

    return [(User, "open", silently)]


def drops_a_forward_when_the_window_is_full() -> list[Patch]:
    forward = Session.forward

    def drop(self: Session, item: Forward, reply: str, window: int, now: float) -> None:
        if len(self.sent) < window or item.message in self.sent or item.message in self.ring:
            forward(self, item, reply, window, now)

    return [(Session, "forward", drop)]


def emits_past_the_window() -> list[Patch]:
    forward = Session.forward
    return [(Session, "forward", lambda self, item, reply, window, now: forward(self, item, reply, 10_000, now))]


def removes_a_settled_entry_before_its_callback() -> list[Patch]:
    settle = Session.settle

    def forget(self: Session, message: str, now: float) -> None:
        settle(self, message, now)
        self.sent.pop(message, None)

    return [(Session, "settle", forget)]


def serves_a_session_before_its_release_ended() -> list[Patch]:
    tick = User.tick

    def impatient(self: User, now: float) -> list[Lessee]:
        result = tick(self, now)
        if self.stage is Stage.CANCELLING and not self.sessions:
            self.flights.clear()
            self.stage = Stage.IDLE
        return result

    return [(User, "tick", impatient)]


def takes_over_at_once() -> list[Patch]:
    return [(partition_module, "TAKE_OVER_SECONDS", 0.0)]


def takes_over_at_once_from_queues_without_a_single_active_consumer() -> list[Patch]:
    return [*takes_over_at_once(), (World, "single_active_consumer", False)]


def requeues_at_the_tail() -> list[Patch]:
    nack = World.nack

    def to_the_tail(self: World, channel: Any, tag: int) -> None:
        post = None if channel.closed else self._held(channel, tag)
        if post is None:
            nack(self, channel, tag)
            return
        queue = channel.unacked[tag].queue
        channel.ack(tag)
        queue.put(post, self.now)

    return [(World, "nack", to_the_tail)]


def acks_leases_at_once() -> list[Patch]:
    leased = Partition.leased

    def at_once(self: Partition, tag: int, body: bytes, now: float) -> User | None:
        user = leased(self, tag, body, now)
        lease = decode_lease(body)
        if lease.kind is LeaseKind.OPEN and lease.session in self.sessions:
            session = self.sessions[lease.session]
            if session.lease == tag:
                self._port.ack(self.number, tag)
                session.lease = -1
        return user

    ack = Generation.ack
    return [
        (Partition, "leased", at_once),
        (Generation, "ack", lambda self, partition, tag: ack(self, partition, tag) if tag > 0 else None),
    ]


def ignores_a_returned_batch() -> list[Patch]:
    return [(Dispatcher, "returned", lambda self, inbox, now: None)]


def never_asks_whether_an_inbox_is_there() -> list[Patch]:
    return [(Inboxes, "due", lambda self, busy, now: iter(())), *has_no_reminder()]


def has_no_deadline_for_silent_clients() -> list[Patch]:
    return [(Session, "overdue", lambda self, timeout, now: False)]


def never_gives_up_on_a_message() -> list[Patch]:
    def decide(self: User, flight: Flight, now: float) -> None:
        return

    return [(User, "_decide", decide)]


def has_no_reminder() -> list[Patch]:
    return [(Lessee, "patience_seconds", property(lambda self: 1e9))]


def does_not_announce_anew_after_a_reconnect() -> list[Patch]:
    def quiet(self: Sessions, inbox: str, now: float) -> None:
        self._inbox = inbox

    return [(Sessions, "link_up", quiet)]


def replaces_one_connection_alone() -> list[Patch]:
    start_over = DispatcherNode.start_over

    def alone(self: DispatcherNode, link: Link | None = None) -> None:
        generation = self.generation
        if link is None or generation is None or link is not generation.publishing or not self.world.broker.running:
            start_over(self, link)
            return
        generation.publishing = Link(self.world, generation, self.world.broker.connect("again"))
        generation._publish_channel = generation.publishing.connection.channel()

    return [(DispatcherNode, "start_over", alone), *has_no_reminder()]


def ignores_that_a_session_moved() -> list[Patch]:
    opened = User.open

    def stay(self: User, session: Lessee, now: float) -> None:
        if session.id not in self.sessions:
            opened(self, session, now)

    return [(User, "open", stay), *has_no_reminder()]


def acks_a_refusal_without_a_dead_letter() -> list[Patch]:
    return [(user_module, "_REASONS", {})]


def takes_a_refusal_for_a_confirmation() -> list[Patch]:
    answer = Session.answer

    def pleased(self: Session, message: str, kind: OutcomeKind, *rest: Any) -> None:
        answer(self, message, OutcomeKind.CONFIRMED, *rest)

    return [(Session, "answer", pleased)]


FAULTS: list[Callable[[], list[Patch]]] = [
    acks_before_the_client_confirms,
    acks_before_the_dead_letter_is_safe,
    has_no_ring,
    forgets_what_the_client_has_seen,
    emits_again_what_is_in_flight,
    does_not_send_again_what_is_in_flight,
    drops_a_forward_when_the_window_is_full,
    emits_past_the_window,
    removes_a_settled_entry_before_its_callback,
    serves_a_session_before_its_release_ended,
    takes_over_at_once,
    takes_over_at_once_from_queues_without_a_single_active_consumer,
    requeues_at_the_tail,
    acks_leases_at_once,
    ignores_a_returned_batch,
    never_asks_whether_an_inbox_is_there,
    has_no_deadline_for_silent_clients,
    never_gives_up_on_a_message,
    does_not_announce_anew_after_a_reconnect,
    replaces_one_connection_alone,
    ignores_that_a_session_moved,
    acks_a_refusal_without_a_dead_letter,
    takes_a_refusal_for_a_confirmation,
]


@contextmanager
def planted(fault: Callable[[], list[Patch]]) -> Iterator[None]:
    """While it lasts, the code has this fault."""
    patches = fault()
    originals = [(owner, name, vars(owner)[name]) for owner, name, _ in patches]
    for owner, name, value in patches:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in originals:
            setattr(owner, name, value)
