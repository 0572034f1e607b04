"""What a gateway tells the dispatchers: leases, confirmed and in order; outcomes, many in one message."""

import asyncio
from typing import TypeVar, cast

from aiormq import Channel
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.commands import Basic

from shared.broker import BrokerAway
from shared.names import DISPATCHERS_EXCHANGE, SESSIONS_EXCHANGE, partition_of, sessions_queue
from shared.publish import ConfirmedPublisher, PublishFailed, Returned
from shared.wire import Lease, Outcome, encode_lease, encode_outcomes

OUTCOMES_TOGETHER = 256
LEASES_TOGETHER = 200

# The gateway itself remembers both: after a restart of the broker it says them again.
_TRANSIENT = 1

T = TypeVar("T")


class Outbox:
    """Of one connection. The two `run_` coroutines raise `BrokerAway` when something could not be told."""

    def __init__(self, leases: ConfirmedPublisher, outcomes: AbstractChannel) -> None:
        self._lease_publisher = leases
        self._outcome_channel = cast("Channel", outcomes)  # its abstract class lacks `wait`
        self._leases: asyncio.Queue[Lease] = asyncio.Queue()
        self._outcomes: asyncio.Queue[tuple[str, Outcome]] = asyncio.Queue()

    def announce(self, lease: Lease) -> None:
        self._leases.put_nowait(lease)

    def report(self, reply: str, outcome: Outcome) -> None:
        self._outcomes.put_nowait((reply, outcome))

    async def flushed(self) -> None:
        """Returns when the broker has everything."""
        await self._outcomes.join()
        await self._leases.join()

    async def run_leases(self) -> None:
        """Many under way at once; the publisher keeps their order."""
        while True:
            leases = await _some(self._leases, LEASES_TOGETHER)
            async with asyncio.TaskGroup() as tasks:
                for lease in leases:
                    tasks.create_task(self._publish_lease(lease))

    async def _publish_lease(self, lease: Lease) -> None:
        try:
            await self._lease_publisher.publish(
                encode_lease(lease),
                Basic.Properties(delivery_mode=_TRANSIENT),
                exchange=SESSIONS_EXCHANGE,
                routing_key=sessions_queue(partition_of(lease.user)),
                mandatory=True,
            )
        except Returned as err:
            raise BrokerAway("waiting for a dispatcher to declare the queues of sessions") from err
        except PublishFailed as err:
            raise BrokerAway(f"a lease was not taken: {err}") from err
        self._leases.task_done()

    async def run_outcomes(self) -> None:
        """Unconfirmed: what is lost with the link, the gateway answers again when it is asked again."""
        while True:
            by_inbox: dict[str, list[Outcome]] = {}
            some = await _some(self._outcomes, OUTCOMES_TOGETHER)
            for reply, outcome in some:
                by_inbox.setdefault(reply, []).append(outcome)
            for reply, outcomes in by_inbox.items():
                await self._publish_outcomes(reply, outcomes)
            for _ in some:
                self._outcomes.task_done()

    async def _publish_outcomes(self, reply: str, outcomes: list[Outcome]) -> None:
        try:
            await self._outcome_channel.basic_publish(
                encode_outcomes(outcomes),
                exchange=DISPATCHERS_EXCHANGE,
                routing_key=reply,
                properties=Basic.Properties(delivery_mode=_TRANSIENT),
            )
        except (AMQPError, ChannelInvalidStateError, ConnectionError) as err:
            raise BrokerAway(f"outcomes could not be sent: {str(err) or type(err).__name__}") from err


async def _some(queue: "asyncio.Queue[T]", most: int) -> list[T]:
    """Everything that is there, at least one, in order."""
    some = [await queue.get()]
    while not queue.empty() and len(some) < most:
        some.append(queue.get_nowait())
    return some
