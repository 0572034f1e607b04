"""Between the core and the broker: the core's orders out (`Port`), the broker's facts in."""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVarTuple

from aiormq.abc import AbstractConnection
from pamqp.commands import Basic

from dispatcher.admin import Admin
from dispatcher.arrivals import Arrivals
from dispatcher.consume import Lane
from dispatcher.core.delivery import Arrival
from dispatcher.core.dispatcher import Dispatcher
from dispatcher.life import Life
from dispatcher.metrics import Metrics
from dispatcher.original import Original
from dispatcher.record import Recorder
from dispatcher.settings import Settings
from dispatcher.settle import Flusher
from dispatcher.tell import Teller
from dispatcher.unrouted import OPENED
from shared import log
from shared.message import DeadLetter, Receipt
from shared.names import PARTITIONS, SESSIONS_EXCHANGE, UNROUTED_EXCHANGE, sessions_queue
from shared.publish import ConfirmedPublisher, PublishFailed, Returned
from shared.sieve import Sieve
from shared.wire import UNBOUND, Batch, Entry, Lease, LeaseKind, Outcome, encode_batch, encode_lease

_TRANSIENT = 1

BOUND_USERS = 50_000
"""So many users are known to be bound, and are not bound again each time they come back."""

_log = log.get(__name__)

Ts = TypeVarTuple("Ts")


class Link:
    """Implements `dispatcher.core.ports.Port` and `dispatcher.consume.LaneFacts`.

    `complete` is called once it has queued up for every partition.
    No fact reaches the core once the generation is over.
    """

    def __init__(
        self,
        *,
        name: str,
        complete: Callable[[], None],
        settings: Settings,
        metrics: Metrics,
        life: Life,
        consuming: AbstractConnection,
        sieve: Sieve | None,
        control: ConfirmedPublisher,
        admin: Admin,
        recorder: Recorder,
        flusher: Flusher,
        teller: Teller,
    ) -> None:
        self._name = name
        self._complete = complete
        self._count = 0
        self._not_entered = set(range(PARTITIONS))  # until the first time
        self._window = settings.dispatcher_window
        self._life = life
        self._consuming = consuming
        self._sieve = sieve
        self._control = control
        self._admin = admin
        self._recorder = recorder
        self._flusher = flusher
        self._teller = teller
        self._arrivals = Arrivals(settings.max_message_bytes)
        self._lanes: dict[int, Lane] = {}
        self._lost: set[int] = set()  # partitions whose queue may be gone
        # Those that the reader of `unrouted` was asked for. If a queue is deleted meanwhile, the first message for its
        # new one comes through `unrouted`, and has the same effect.
        self._bound: dict[str, None] = {}
        self.core = Dispatcher(
            self,
            window=settings.dispatcher_window,
            max_attempts=settings.dispatcher_max_attempts,
            linger_seconds=settings.dispatcher_linger_seconds,
            ledger=metrics.ledger,
        )

    @property
    def unsettled(self) -> int:
        """Deliveries to users that are neither acked nor given back, and records that are not confirmed."""
        return sum(len(lane.unsettled) for lane in self._lanes.values()) + self.core.recording

    # --- facts ----------------------------------------------------------------------------

    def tell_core(self, fact: Callable[[*Ts, float], None], *of: *Ts) -> None:
        """The time comes last."""
        now = self._life.now_if_current()
        if now is None:
            return
        try:
            fact(*of, now)
        except Exception as err:  # noqa: BLE001 -- a bug: aiormq would only log it, but it must end the process
            self._life.fail(err)

    def reported(self, outcomes: list[Outcome]) -> None:
        self.tell_core(self.core.outcomes, outcomes)

    def returned(self, inbox: str) -> None:
        self._life.spawn(self._call_past_the_exchange(inbox), "call past the exchange")
        self.tell_core(self.core.returned, inbox)

    def counted(self, count: int) -> None:
        if count < self._count:
            self._life.spawn(self._greet_all(), "hello to the next owners")
        self._count = count
        self.tell_core(self.core.dispatchers, count)

    def leased(self, partition: int, tag: int, body: bytes) -> None:
        self.tell_core(self.core.leased, partition, tag, body)

    def delivered(self, partition: int, user: str, tag: int, original: Original) -> None:
        self.tell_core(self._delivered, partition, user, tag, original)

    def cancelled(self, partition: int, user: str) -> None:
        self.tell_core(self.core.cancelled, user)

    def consumer_lost(self, partition: int, user: str) -> None:
        _log.warning("queue was deleted while its user is connected; it is made anew", user=user)
        self._bound.pop(user, None)
        self.tell_core(self.core.consumer_lost, user)

    def lane_lost(self, partition: int, reason: str) -> None:
        if self._life.is_current():
            _log.warning("partition lost; it is entered again", partition=partition, reason=reason)
        self._lanes.pop(partition, None)
        self._lost.add(partition)
        self.tell_core(self.core.partition_lost, partition)

    # --- orders ---------------------------------------------------------------------------

    def ack(self, partition: int, tag: int) -> None:
        if (lane := self._lanes.get(partition)) is not None:
            lane.ack(tag)

    def nack(self, partition: int, tag: int) -> None:
        if (lane := self._lanes.get(partition)) is not None:
            lane.nack(tag)

    def declare(self, user: str) -> None:
        self._admin.declare(user, self._declared)

    def consume(self, partition: int, user: str) -> None:
        if (lane := self._lanes.get(partition)) is not None:
            _log.debug("a user's queue is consumed", user=user, partition=partition)
            lane.consume(user)

    def cancel(self, partition: int, user: str) -> None:
        if (lane := self._lanes.get(partition)) is not None:
            _log.debug("a user's queue is let go", user=user, partition=partition)
            lane.cancel(user)

    def tell(self, inbox: str, entry: Entry) -> None:
        self._teller.tell(inbox, entry)

    def probe(self, inbox: str) -> None:
        self._teller.probe(inbox)

    def record(
        self, ticket: int, user: str, arrival: Arrival, letter: DeadLetter | None, receipt: Receipt | None
    ) -> None:
        assert isinstance(arrival.original, Original)  # noqa: S101 -- `Arrivals` put it there
        self._life.spawn(self._record(ticket, user, arrival.original, letter, receipt), "record")

    def take_no_more(self, partition: int) -> None:
        if (lane := self._lanes.get(partition)) is not None:
            lane.take_no_more()

    def enter(self, partition: int) -> None:
        lane = self._lanes[partition] = Lane(partition, self._name, self._window, self, self._flusher, self._sieve)
        self._life.spawn(self._run(lane), f"partition {partition}")

    def leave(self, partition: int) -> None:
        if (lane := self._lanes.pop(partition, None)) is not None:
            lane.leave()

    # --- how ------------------------------------------------------------------------------

    def _delivered(self, partition: int, user: str, tag: int, original: Original, now: float) -> None:
        self.core.arrived(partition, user, self._arrivals.arrival(tag, original), now)

    def _declared(self, user: str) -> None:
        self.tell_core(self.core.declared, user)
        if user not in self._bound and self._life.is_current():
            self._life.spawn(self._ask_to_bind(user), "bind")

    async def _ask_to_bind(self, user: str) -> None:
        """Whoever reads `unrouted` binds the queue, after what waits there for this user: else that comes late."""
        try:
            await self._control.publish(
                b"",
                Basic.Properties(message_type=OPENED, delivery_mode=_TRANSIENT),
                exchange=UNROUTED_EXCHANGE,
                routing_key=user,
                mandatory=True,
            )
        except PublishFailed as err:
            # The next message for this user comes through `unrouted` and has the same effect.
            _log.warning("queue is not bound yet", user=user, reason=str(err))
            if isinstance(err, Returned):
                await self._admin.prepare()  # the queue `unrouted` or its binding was deleted
        else:
            self._bound[user] = None
            if len(self._bound) > BOUND_USERS:
                del self._bound[next(iter(self._bound))]

    async def _run(self, lane: Lane) -> None:
        if lane.partition in self._lost:
            self._lost.discard(lane.partition)
            await self._admin.prepare()
            self.tell_core(self.core.partition_mended, lane.partition)
        await lane.run(self._consuming, lambda: self._entered(lane.partition))
        if not lane.takes:
            await self._greet(lane.partition)  # on behalf of whoever is next: it need not hold any lease
        # Also when it was lost: the core knows whether it waits for this.
        self.tell_core(self.core.left, lane.partition)

    async def _greet_all(self) -> None:
        """Somebody is gone: whoever owns their partitions now must hear of it, also where there is no lease."""
        for partition in range(PARTITIONS):
            if partition not in self.core.owned:
                await self._greet(partition)

    def _entered(self, partition: int) -> None:
        self._life.spawn(self._greet(partition), "hello")
        if self._not_entered:
            self._not_entered.discard(partition)
            if not self._not_entered:
                self._complete()

    async def _greet(self, partition: int) -> None:
        """Whoever gets this owns the partition, even if there is no lease in it."""
        try:
            await self._control.publish(
                encode_lease(Lease(kind=LeaseKind.HELLO)),
                Basic.Properties(delivery_mode=_TRANSIENT),
                exchange=SESSIONS_EXCHANGE,
                routing_key=sessions_queue(partition),
                mandatory=True,
            )
        except PublishFailed as err:
            _log.warning("partition cannot be greeted", partition=partition, reason=str(err))
            await self._admin.prepare()  # the queue or its binding was deleted

    async def _call_past_the_exchange(self, inbox: str) -> None:
        """A gateway whose binding was deleted lives and cannot know: told, it comes back with a fresh inbox."""
        with suppress(PublishFailed):  # the next batch that comes back asks again
            await self._control.publish(
                encode_batch(Batch(self._name, self._window, ())),
                Basic.Properties(message_type=UNBOUND, delivery_mode=_TRANSIENT),
                exchange="",
                routing_key=inbox,
                mandatory=False,
            )

    async def _record(
        self, ticket: int, user: str, original: Original, letter: DeadLetter | None, receipt: Receipt | None
    ) -> None:
        if letter is not None:
            await self._recorder.bury(user, original, letter)
        if receipt is not None:
            await self._recorder.tell_publisher(user, original, receipt)
        self.tell_core(self.core.recorded, ticket)
