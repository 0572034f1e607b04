"""Declares and asks, on a connection of its own: here a call may be refused, and a memory alarm may block it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiormq.abc import AbstractChannel, AbstractConnection

from dispatcher.metrics import Metrics
from shared import log
from shared.broker import BrokerAway, Mismatch, Missing, Refused, calling
from shared.names import user_queue
from shared.settings import QueueType
from shared.sparing import Sparing
from shared.topology import bind_user, declare_all, declare_census, declare_user

CHANNELS = 4
"""How many declares are under way at once: each waits for the disk of the broker."""

RETRY_SECONDS = 1.0
COUNT_SECONDS = 2.0
_MENDED_USERS = 10_000

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    user: str
    declare: bool
    bind: bool
    done: Callable[[str], None]


class Admin:
    """Answers come from the event loop, never from inside a call."""

    def __init__(self, connection: AbstractConnection, queue_type: QueueType, metrics: Metrics) -> None:
        self._connection = connection
        self._queue_type = queue_type
        self._metrics = metrics
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._mismatched: set[str] = set()
        self._repair = asyncio.Lock()
        self._begun = self._done = 0  # how often the topology was declared, and the last time that came to an end
        self._unmended = ""  # why the last `mend` came to nothing
        self._sparing = Sparing()

    def declare(self, user: str, done: Callable[[str], None]) -> None:
        """Not bound yet. Calls `done(user)`, also when the queue exists with other arguments."""
        self._jobs.put_nowait(_Job(user, declare=True, bind=False, done=done))

    def bind(self, user: str, done: Callable[[str], None]) -> None:
        """Calls `done(user)`, also when the queue has been deleted: nobody makes it anew until it is needed."""
        self._jobs.put_nowait(_Job(user, declare=False, bind=True, done=done))

    async def prepare(self) -> None:
        """Declare the topology, again where something was deleted. Raises `BrokerAway` if it cannot be had."""
        try:
            await self._declare_all()
        except Mismatch as err:
            raise BrokerAway(f"{err} (delete it once it is empty, or choose BROKER_QUEUE_TYPE as it was)") from err
        except Refused as err:
            raise BrokerAway(str(err)) from err

    async def mend(self) -> None:
        """Declare the topology in case something was deleted: the broker tells nobody of an exchange or a binding.

        What cannot be had need not be missed by those who are served. Raises `BrokerAway`.
        """
        try:
            await self._declare_all()
        except Refused as err:
            if str(err) != self._unmended:
                _log.warning("cannot make sure that all exchanges and queues are there", reason=str(err))
            self._unmended = str(err)
        else:
            self._unmended = ""

    async def work(self) -> None:
        """Run `CHANNELS` of these. Raises `BrokerAway`."""
        channel: AbstractChannel | None = None
        while True:
            job = await self._jobs.get()
            try:
                with calling(f"queue of {job.user}"):
                    channel = channel or await self._channel()
                    if job.declare:
                        await declare_user(channel, job.user, self._queue_type)
                    if job.bind:
                        await bind_user(channel, job.user)
            except Mismatch as err:
                channel = None
                # So says RabbitMQ, too, where it may hold no more queues. To consume one that is not there would cost
                # all users of the partition their channel, again and again.
                if await self._is_there(job.user):
                    self._mismatch(job.user, err)
                    self._jobs.put_nowait(_Job(job.user, declare=False, bind=job.bind, done=job.done))
                else:
                    self._try_later(job, err)
            except Refused as err:
                channel = None
                if not job.declare and isinstance(err, Missing) and not await self._is_there(job.user):
                    job.done(job.user)
                    continue
                await self.prepare()  # it may be an exchange that is missing
                self._try_later(job, err)
            else:
                job.done(job.user)

    async def count(self, counted: Callable[[int], None]) -> None:
        """Tells every two seconds how many dispatchers there are. Raises `BrokerAway`."""
        channel: AbstractChannel | None = None
        while True:
            try:
                with calling("counting dispatchers"):
                    channel = channel or await self._channel()
                    count = await declare_census(channel, self._queue_type)
                counted(count)
            except Refused as err:
                channel = None
                _log.warning("dispatchers cannot be counted", reason=str(err))
            await asyncio.sleep(COUNT_SECONDS)

    async def _declare_all(self) -> None:
        """Many may ask at once, as when all queues of leases were deleted: what began since one asked will do."""
        asked = self._begun
        async with self._repair:
            if self._done > asked:
                return
            self._begun += 1
            with calling("declaring exchanges and queues"):
                channel = await self._channel()
                await declare_all(channel, self._queue_type)
                await channel.close()
            self._done = self._begun

    def _try_later(self, job: _Job, err: Refused) -> None:
        if (left_out := self._sparing.take("queue")) is not None:
            _log.warning(
                "queue cannot be had now; tried again",
                queue=user_queue(job.user),
                reason=str(err),
                left_out=left_out,
            )
        asyncio.get_running_loop().call_later(RETRY_SECONDS, self._jobs.put_nowait, job)

    async def _is_there(self, user: str) -> bool:
        """The user's queue. Raises `BrokerAway`."""
        try:
            with calling(f"queue of {user}"):
                channel = await self._channel()
                await channel.queue_declare(user_queue(user), passive=True)
                await channel.close()
        except Missing:
            return False
        except Refused:
            pass
        return True

    async def _channel(self) -> AbstractChannel:
        return await self._connection.channel(publisher_confirms=False)

    def _mismatch(self, user: str, err: Mismatch) -> None:
        self._metrics.queue_mismatches.inc()
        if user in self._mismatched or len(self._mismatched) >= _MENDED_USERS:
            return
        self._mismatched.add(user)
        _log.warning(
            "queue exists with other arguments and is used as it is, so order may be lost when a dispatcher dies; "
            "delete it once it is empty, it is then made anew",
            queue=user_queue(user),
            reason=str(err),
        )
