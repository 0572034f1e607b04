"""One generation of a dispatcher: three connections, one inbox, one core, that live and die together.

When one connection is lost, all are closed and everything that was known is dropped: the broker has the messages
and the leases, the gateways have the sessions, and a fresh generation asks both. A process that was stopped, or
cut off, for longer than the heartbeat must take itself for replaced, so it starts over before it sends anything.
"""

import asyncio
import secrets
import time
from collections.abc import Callable

from aio_pika.abc import AbstractConnection

from dispatcher.admin import CHANNELS, Admin
from dispatcher.core.dispatcher import Dispatcher
from dispatcher.inbox import Inbox
from dispatcher.life import Life
from dispatcher.link import Link
from dispatcher.metrics import Metrics
from dispatcher.record import Recorder
from dispatcher.settings import Settings
from dispatcher.settle import Flusher
from dispatcher.tell import Teller
from dispatcher.unrouted import REOPEN_SECONDS, Reader
from shared import broker, log, sieve
from shared.alarm import Alarm
from shared.broker import BrokerAway
from shared.ceiling import Ceiling
from shared.names import GATEWAYS_EXCHANGE, dispatcher_inbox
from shared.numbered import Speaker
from shared.publish import ConfirmedPublisher
from shared.sidedoor import SideDoor

TICK_SECONDS = 0.05
MEND_SECONDS = 10.0
"""How often it is made sure that nobody deleted an exchange or a binding; until then what goes there is lost."""

LEAVE_SECONDS = 2.0
"""How long the channels of partitions that are given up may take to close."""

_log = log.get(__name__)


class Generation:
    """`id` is fresh for each; `core` is there once it serves."""

    def __init__(self, settings: Settings, metrics: Metrics, ceiling: Ceiling) -> None:
        self.id = secrets.token_hex(8)
        self._settings = settings
        self._metrics = metrics
        self._ceiling = ceiling
        self._life = Life()
        self._connections: list[AbstractConnection] = []
        self._alarm = Alarm()  # that of the connection that publishes
        self._link: Link | None = None
        self._reader: Reader | None = None
        self._inbox: Inbox | None = None
        self._drained = asyncio.Event()

    @property
    def core(self) -> Dispatcher | None:
        return self._link.core if self._link else None

    @property
    def blocked(self) -> bool:
        """The broker has an alarm. Acks go their own way, batches by the side door; records and moves wait."""
        return self._alarm.on

    @property
    def unsettled(self) -> int:
        """Messages that are held, of users and of newcomers."""
        return (self._link.unsettled if self._link else 0) + (len(self._reader) if self._reader else 0)

    async def run(self, serving: Callable[[], None]) -> None:
        """Until a connection is lost: raises `BrokerAway`. Calls `serving` once it takes messages."""
        try:
            await self._open()
            serving()
            await asyncio.shield(self._life.over)
        finally:
            self._life.end("closed")
            if self._link is not None:
                self._link.core.abandon()
            # The connections first: that ends every call that waits for the broker, which cancelling would not.
            await asyncio.gather(*(broker.close(connection) for connection in self._connections))
            await self._life.stop_tasks()

    async def drain(self, seconds: float) -> None:
        """Take nothing more, wait so long for the outcomes of what is in flight, give all partitions up."""
        link = self._link
        if link is None or self._inbox is None or self._reader is None:
            return
        drained = asyncio.create_task(self._drained.wait())
        self._life.over.add_done_callback(lambda _: drained.cancel())
        link.tell_core(lambda now: link.core.drain(now + seconds, now))
        self._life.spawn(self._inbox.leave_census(), "leave the census")
        self._life.spawn(self._reader.take_no_more(), "read no more first contacts")
        await asyncio.wait({drained}, timeout=seconds + LEAVE_SECONDS)
        drained.cancel()

    async def _open(self) -> None:
        life, settings, metrics = self._life, self._settings, self._metrics
        for purpose in ("consume", "publish", "admin"):
            sifted = purpose != "admin" and sieve.LANE.taken
            connection = await broker.connect(settings, f"dispatcher {self.id} {purpose}", sifted=sifted)
            self._connections.append(connection)
        for connection in self._connections:
            broker.lost(connection).add_done_callback(lambda lost: life.end(lost.result()))
        consuming = broker.wire(self._connections[0])
        life.patience_seconds = broker.heartbeat_seconds(self._connections[0]) or broker.HEARTBEAT_SECONDS

        admin = Admin(broker.wire(self._connections[2]), settings.broker_queue_type, metrics)
        await admin.prepare()
        alarm = self._alarm = Alarm(self._connections[1])
        alarm.listen(self._alarm_changed)
        control, batches, records, moves = [await self._publisher() for _ in range(4)]
        recorder = Recorder(records, admin.prepare, metrics, self._ceiling)
        flusher = Flusher()
        inbox = dispatcher_inbox(self.id)
        speaker = Speaker(
            inbox,
            exchange=GATEWAYS_EXCHANGE,
            mandatory=True,
            publisher=batches,
            alarm=alarm,
            side_door=SideDoor(settings, f"dispatcher {self.id}, during an alarm"),
        )
        teller = Teller(speaker, reply=inbox, window=settings.dispatcher_window, metrics=metrics, spawn=life.spawn)
        link = Link(
            name=inbox,
            complete=lambda: life.spawn(mine.join_census(), "join the census"),
            settings=settings,
            metrics=metrics,
            life=life,
            consuming=consuming,
            sieve=broker.sieve_of(self._connections[0]),
            control=control,
            admin=admin,
            recorder=recorder,
            flusher=flusher,
            teller=teller,
        )
        mine = self._inbox = Inbox(inbox, metrics, link.reported)
        ended = await mine.open(consuming, broker.sieve_of(self._connections[0]))
        ended.add_done_callback(lambda _: life.end("the dispatcher's own inbox is gone"))

        def new_reader() -> Reader:
            return Reader(
                publisher=moves,
                admin=admin,
                recorder=recorder,
                ceiling=self._ceiling,
                flusher=flusher,
                metrics=metrics,
                spawn=life.spawn,
            )

        self._link, self._reader = link, new_reader()
        life.beat()
        life.spawn(self._tick(link), "tick")
        life.spawn(flusher.run(), "acks")
        life.spawn(teller.run(life.is_current, link.returned), "tell")
        for number in range(CHANNELS):
            life.spawn(admin.work(), f"declare {number}")
        life.spawn(admin.count(link.counted), "count")
        life.spawn(self._mend(admin, mine), "mend")
        life.spawn(self._first_contact(new_reader, admin), "unrouted")
        link.tell_core(link.core.start)

    async def _publisher(self) -> ConfirmedPublisher:
        with broker.calling("opening a channel"):
            channel = await broker.wire(self._connections[1]).channel()
        return ConfirmedPublisher(channel, alarm=self._alarm)

    def _alarm_changed(self) -> None:
        if self._alarm.on:
            _log.warning(
                "the broker has an alarm and takes no messages; deliveries and acks go on more slowly, "
                "dead letters, receipts and first messages for new users wait",
                reason=self._alarm.reason,
            )
        else:
            _log.info("the broker's alarm is over")

    async def _tick(self, link: Link) -> None:
        consuming = self._connections[0]
        while self._life.is_current():
            now = self._life.beat()
            self._metrics.ledger.epoch = time.time() - now  # each time: a clock may be set
            if broker.heartbeat_seconds(consuming) and broker.silent_seconds(consuming) > self._life.patience_seconds:
                raise BrokerAway(f"the broker has sent nothing for {broker.silent_seconds(consuming):.1f} s")
            link.tell_core(link.core.tick)
            if self._reader is not None:
                self._reader.tick(now)
            if link.core.drained and not self.unsettled:
                self._drained.set()
            await asyncio.sleep(TICK_SECONDS)

    async def _mend(self, admin: Admin, inbox: Inbox) -> None:
        while True:
            await asyncio.sleep(MEND_SECONDS)
            await inbox.mend()  # first: if its exchange is gone, so are answers, and only a fresh start asks again soon
            await admin.mend()

    async def _first_contact(self, new_reader: Callable[[], Reader], admin: Admin) -> None:
        while self._reader is not None:
            await self._reader.run(broker.wire(self._connections[0]))
            # Somebody may have deleted the queue; until it is there again, what comes for new users goes nowhere.
            await admin.prepare()
            await asyncio.sleep(REOPEN_SECONDS)
            self._reader = new_reader()
