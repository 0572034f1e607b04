"""Declares and asks, on a connection of its own: here a call may be refused, and a memory alarm may block it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiormq.abc import AbstractChannel, AbstractConnection

from dispatcher.metrics import Metrics
from shared import log
from shared.broker import BrokerAway, Mismatch, Refused, calling
from shared.names import user_queue
from shared.settings import QueueType
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

    def declare(self, user: str, done: Callable[[str], None]) -> None:
        """Not bound yet. Calls `done(user)`, also when the queue exists with other arguments."""
        self._jobs.put_nowait(_Job(user, declare=True, bind=False, done=done))

    def bind(self, user: str, done: Callable[[str], None]) -> None:
        self._jobs.put_nowait(_Job(user, declare=False, bind=True, done=done))

    async def prepare(self) -> None:
        """Declare the topology, again where something was deleted. Raises `BrokerAway` if it cannot be had."""
        async with self._repair:
            try:
                with calling("declaring exchanges and queues"):
                    channel = await self._channel()
                    await declare_all(channel, self._queue_type)
                    await channel.close()
            except Refused as err:
                raise BrokerAway(f"{err} (delete it once it is empty, or choose BROKER_QUEUE_TYPE as it was)") from err

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
                self._mismatch(job.user, err)
                self._jobs.put_nowait(_Job(job.user, declare=False, bind=job.bind, done=job.done))
            except Refused as err:
                channel = None
                _log.warning("queue cannot be had now; tried again", queue=user_queue(job.user), reason=str(err))
                await self.prepare()  # it may be an exchange that is missing
                again = _Job(job.user, declare=True, bind=job.bind, done=job.done)
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._jobs.put_nowait, again)
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
