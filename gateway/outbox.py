"""What a gateway tells the dispatchers: leases one by one, outcomes many in one message, each in order, confirmed."""

import asyncio
from typing import TypeVar

from shared.alarm import Alarm
from shared.broker import BrokerAway
from shared.names import partition_of, sessions_queue
from shared.numbered import Speaker
from shared.publish import PublishFailed, Returned
from shared.wire import Lease, Outcome, encode_lease, encode_outcomes

OUTCOMES_TOGETHER = 256
OUTCOMES_UNDER_WAY = 4
"""How many messages with outcomes may be unconfirmed; what clients answer meanwhile waits and goes together."""

LEASES_TOGETHER = 200

T = TypeVar("T")


class Outbox:
    """Of one connection. The two `run_` coroutines raise `BrokerAway` when something could not be told.

    Who reads a lease may be another one than before, so its number tells nothing, and a copy of it that comes late,
    after an alarm, would be believed: the session could be taken for open again. So the last lease of such a session
    is said once more when the alarm is over, behind the late copy.
    """

    def __init__(self, leases: Speaker, outcomes: Speaker, alarm: Alarm) -> None:
        self._say_lease = leases.say
        self._say_outcomes = outcomes.say
        self._alarm = alarm
        self._alarm.listen(self._say_last_leases_again)
        self._leases: asyncio.Queue[Lease] = asyncio.Queue()
        self._outcomes: dict[str, list[Outcome]] = {}  # by inbox
        self._reported = asyncio.Event()
        self._free = asyncio.Semaphore(OUTCOMES_UNDER_WAY)
        self._under_way = 0
        self._all_said = asyncio.Event()
        self._newest: dict[str, Lease] = {}  # by session, of those that are not confirmed
        self._late: dict[str, Lease] = {}  # by session, the last one confirmed, where a copy may come late

    def announce(self, lease: Lease) -> None:
        self._newest[lease.session] = lease
        self._leases.put_nowait(lease)

    def report(self, reply: str, outcome: Outcome) -> None:
        self._outcomes.setdefault(reply, []).append(outcome)
        self._reported.set()

    async def flushed(self) -> None:
        """Returns when the broker has everything."""
        while self._outcomes or self._under_way:
            self._all_said.clear()
            await self._all_said.wait()
        await self._leases.join()

    async def run_leases(self) -> None:
        """Many under way at once; the speaker keeps their order."""
        while True:
            leases = await _some(self._leases, LEASES_TOGETHER)
            async with asyncio.TaskGroup() as tasks:
                for lease in leases:
                    tasks.create_task(self._publish_lease(lease))

    async def _publish_lease(self, lease: Lease) -> None:
        try:
            late = await self._say_lease(sessions_queue(partition_of(lease.user)), encode_lease(lease))
        except Returned as err:
            raise BrokerAway("waiting for a dispatcher to declare the queues of sessions") from err
        except PublishFailed as err:
            raise BrokerAway(f"a lease was not taken: {err}") from err
        if self._newest.get(lease.session) is lease:
            del self._newest[lease.session]
        if late or lease.session in self._late:
            self._late[lease.session] = lease
            self._say_last_leases_again()
        self._leases.task_done()

    def _say_last_leases_again(self) -> None:
        if self._alarm.on:
            return
        for session in [session for session in self._late if session not in self._newest]:
            self.announce(self._late.pop(session))

    async def run_outcomes(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._reported.wait()
                self._reported.clear()
                while self._outcomes:
                    await self._free.acquire()
                    reply, outcomes = self._next_outcomes()
                    self._under_way += 1
                    tasks.create_task(self._publish_outcomes(reply, outcomes))

    def _next_outcomes(self) -> tuple[str, list[Outcome]]:
        """For the inbox that has waited longest, as many as go together."""
        reply = next(iter(self._outcomes))
        outcomes = self._outcomes.pop(reply)
        if len(outcomes) > OUTCOMES_TOGETHER:
            self._outcomes[reply] = outcomes[OUTCOMES_TOGETHER:]
        return reply, outcomes[:OUTCOMES_TOGETHER]

    async def _publish_outcomes(self, reply: str, outcomes: list[Outcome]) -> None:
        try:
            await self._say_outcomes(reply, encode_outcomes(outcomes))
        except PublishFailed as err:
            raise BrokerAway(f"outcomes could not be sent: {err}") from err
        finally:
            self._free.release()
        self._under_way -= 1
        if not (self._outcomes or self._under_way):
            self._all_said.set()


async def _some(queue: "asyncio.Queue[T]", most: int) -> list[T]:
    """Everything that is there, at least one, in order."""
    some = [await queue.get()]
    while not queue.empty() and len(some) < most:
        some.append(queue.get_nowait())
    return some
