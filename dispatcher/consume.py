"""One partition's AMQP channel: it consumes and acks, nothing else, so that nothing on it can fail.

Every delivery and every ack runs here, so this file and `settle.py` alone know how they are read and written. Where
there is a sieve, deliveries come through it, else through aiormq; it makes no difference to anybody else. All calls
that the broker answers run one after the other in `run`, which nobody may cancel: a cancelled call closes the channel
and gives every message of the partition back.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol, cast

from aiormq import Channel
from aiormq.abc import AbstractConnection, DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.commands import Basic

from dispatcher.original import Original
from dispatcher.settle import Flusher, Settlements
from shared.broker import BrokerAway
from shared.names import sessions_queue, user_queue
from shared.sidedoor import body_of
from shared.sieve import Sieve

_USER_TAG = "user."


class LaneFacts(Protocol):
    """Called from the event loop, never from inside a call on the lane, and never once it is lost or left."""

    def leased(self, partition: int, tag: int, body: bytes) -> None: ...
    def delivered(self, partition: int, user: str, tag: int, original: Original) -> None: ...
    def cancelled(self, partition: int, user: str) -> None: ...
    def consumer_lost(self, partition: int, user: str) -> None: ...
    def lane_lost(self, partition: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Consume:
    user: str


@dataclass(frozen=True, slots=True)
class _Cancel:
    user: str


class Lane:
    """`unsettled` holds the tags of user deliveries that were neither acked nor nacked.

    `name` is what the broker shows as the owner of the partition.
    """

    def __init__(
        self,
        partition: int,
        name: str,
        window: int,
        facts: LaneFacts,
        flusher: Flusher,
        sieve: Sieve | None = None,
    ) -> None:
        self.partition = partition
        self._name = name
        self.unsettled: set[int] = set()
        self._window = window
        self._facts = facts
        self._settlements = Settlements(flusher)
        self._sieve = sieve
        self._orders: asyncio.Queue[_Consume | _Cancel | None] = asyncio.Queue()
        self._channel: Channel | None = None
        self._consumed: dict[str, None] = {}
        self._over = False
        self.takes = True

    # --- orders: return at once -----------------------------------------------------------

    def ack(self, tag: int) -> None:
        self.unsettled.discard(tag)
        if not self._over:
            self._settlements.ack(tag)

    def nack(self, tag: int) -> None:
        self.unsettled.discard(tag)
        if not self._over:
            self._settlements.nack(tag)

    def consume(self, user: str) -> None:
        self._orders.put_nowait(_Consume(user))

    def cancel(self, user: str) -> None:
        self._orders.put_nowait(_Cancel(user))

    def take_no_more(self) -> None:
        """What is unsettled may still be acked."""
        self.takes = False
        for user in list(self._consumed):
            self.cancel(user)

    def leave(self) -> None:
        """`run` ends with the channel closed. No fact comes any more."""
        self._over = True
        self._orders.put_nowait(None)

    # --- the channel's life ---------------------------------------------------------------

    async def run(self, connection: AbstractConnection, entered: Callable[[], None]) -> None:
        """Until `leave`, or until the channel is lost, which is a fact and no error. Raises `BrokerAway`."""
        try:
            channel = cast("Channel", await connection.channel(publisher_confirms=False))
            self._channel = channel
            self._settlements.attach(channel)
            if self._sieve is not None:
                self._sieve.claim(channel.number, self._on_sifted)
            channel.closing.add_done_callback(self._on_closed)
            channel.on_consumer_cancel_callbacks.add(self._on_cancelled_by_broker)
            await channel.basic_consume(
                sessions_queue(self.partition), self._on_lease, consumer_tag=self._name
            )  # before qos: leases have no window
            await channel.basic_qos(prefetch_count=self._window)
            entered()
            while not self._over:
                match await self._orders.get():
                    case None:
                        break
                    case _Consume() if not self.takes:
                        pass
                    case _Consume(user):
                        self._consumed[user] = None
                        # aiormq is to know who it is: it passes deliveries on where there is no sieve.
                        channel.consumers[_USER_TAG + user] = self._deliveries_of(user)
                        self._settlements.consume(user_queue(user), _USER_TAG + user)
                    case _Cancel(user):
                        self._consumed.pop(user, None)
                        await self._settlements.flush()  # that it is consumed may still have to be said
                        # What was delivered before CancelOk has been passed on by now: aiormq reads in order,
                        # and its delivery tasks started before this one was woken.
                        await channel.basic_cancel(_USER_TAG + user)
                        if not self._over:
                            self._facts.cancelled(self.partition, user)
            await self._settlements.flush()
            await channel.close()
        except (AMQPError, ChannelInvalidStateError, ConnectionError, RuntimeError, asyncio.CancelledError) as err:
            task = asyncio.current_task()
            if isinstance(err, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            if self._channel is None:
                raise BrokerAway(f"no channel for partition {self.partition}: {err}") from err
            self._lose(str(err) or type(err).__name__)
        finally:
            if self._sieve is not None and self._channel is not None:
                self._sieve.release(self._channel.number, self._on_sifted)

    # --- what the broker says -------------------------------------------------------------

    async def _on_lease(self, message: DeliveredMessage) -> None:
        if not self._over:
            self._facts.leased(
                self.partition, message.delivery_tag or 0, body_of(message.body, message.header.properties)
            )

    def _deliveries_of(self, user: str) -> Callable[[DeliveredMessage], Coroutine[None, None, None]]:
        # `async` without a wait inside: aiormq makes a task of a plain function all the same, and a wrapper too.
        async def on_delivery(message: DeliveredMessage) -> None:
            if not self._over:
                tag = message.delivery_tag or 0
                self.unsettled.add(tag)
                self._facts.delivered(self.partition, user, tag, Original.of(message))

        return on_delivery

    def _on_sifted(self, consumer: str, tag: int, redelivered: bool, header: bytes, body: bytes) -> None:  # noqa: FBT001
        if self._over:
            return
        original = Original(body, redelivered=redelivered, header=header)
        if consumer == self._name:
            self._facts.leased(self.partition, tag, body_of(body, original.properties))
        else:
            self.unsettled.add(tag)
            self._facts.delivered(self.partition, consumer.removeprefix(_USER_TAG), tag, original)

    def _on_cancelled_by_broker(self, frame: Basic.Cancel) -> None:
        # aiormq's reader waits for this callback, and deliveries read just before it have yet to be passed on.
        asyncio.get_running_loop().call_soon(self._cancelled_by_broker, frame.consumer_tag or "")

    def _cancelled_by_broker(self, consumer_tag: str) -> None:
        if self._over:
            return
        if consumer_tag == self._name:
            self._lose("its queue of leases is gone")
            self._orders.put_nowait(None)
            return
        user = consumer_tag.removeprefix(_USER_TAG)
        self._consumed.pop(user, None)
        self._facts.consumer_lost(self.partition, user)

    def _on_closed(self, closing: asyncio.Future[object]) -> None:
        reason = None if closing.cancelled() else closing.exception()
        self._lose(str(reason) if reason else "closed")
        self._orders.put_nowait(None)

    def _lose(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self._facts.lane_lost(self.partition, reason)
