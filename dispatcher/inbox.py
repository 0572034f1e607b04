"""The dispatcher's own inbox: an exclusive queue, gone with its connection, in which gateways report outcomes.

Where there is a sieve, they come through it, as deliveries do (`consume.py`).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from aiormq.abc import AbstractChannel, AbstractConnection, DeliveredMessage

from dispatcher.metrics import Metrics
from dispatcher.original import Original
from shared import log
from shared.broker import BrokerAway, Refused, calling
from shared.names import CENSUS, DISPATCHERS_EXCHANGE
from shared.numbered import Listener
from shared.sieve import Sieve
from shared.wire import Outcome, Unreadable, decode_outcomes

_log = log.get(__name__)


class Inbox:
    """`reported` is called with each batch of outcomes."""

    def __init__(self, name: str, metrics: Metrics, reported: Callable[[list[Outcome]], None]) -> None:
        self.name = name
        self._metrics = metrics
        self._reported = reported
        self._warned = False
        self._listener = Listener()
        self._channel: AbstractChannel | None = None

    async def open(self, connection: AbstractConnection, sieve: Sieve | None = None) -> asyncio.Future[object]:
        """Raises `BrokerAway`. The future ends with the channel, which must never happen."""
        try:
            with calling("the inbox"):
                self._channel = channel = await connection.channel(publisher_confirms=False)
                await channel.queue_declare(self.name, exclusive=True)
                await self._bind(channel)
                if sieve is not None:
                    sieve.claim(channel.number, self._on_sifted)
                # Without acks: what is lost here is lost with the generation, and asked for again.
                await channel.basic_consume(self.name, self._on_message, no_ack=True, consumer_tag=self.name)
        except Refused as err:
            raise BrokerAway(str(err)) from err
        ended = asyncio.get_running_loop().create_future()

        def end(_: object) -> None:
            if not ended.done():
                ended.set_result(None)

        channel.closing.add_done_callback(end)
        channel.on_consumer_cancel_callbacks.add(end)
        return ended

    async def mend(self) -> None:
        """Bind it in case the binding or the exchange was deleted: outcomes would go nowhere, and nobody be told.

        Raises `BrokerAway`.
        """
        if self._channel is not None:
            try:
                with calling("the inbox"):
                    await self._bind(self._channel)
            except Refused as err:
                raise BrokerAway(str(err)) from err

    async def join_census(self) -> None:
        """The others reckon their shares with this dispatcher from now on: only once it waits for all partitions."""
        if self._channel is not None:
            with suppress(Refused), calling("joining the census"):
                await self._channel.basic_consume(CENSUS, _ignore, no_ack=True, consumer_tag=CENSUS)

    async def leave_census(self) -> None:
        """The others reckon their shares without this dispatcher from now on."""
        if self._channel is not None:
            with suppress(Refused), calling("leaving the census"):
                await self._channel.basic_cancel(CENSUS)

    async def _bind(self, channel: AbstractChannel) -> None:
        await channel.queue_bind(self.name, DISPATCHERS_EXCHANGE, self.name)

    async def _on_message(self, message: DeliveredMessage) -> None:
        self._hear(Original.of(message))

    def _on_sifted(self, consumer: str, _tag: int, redelivered: bool, header: bytes, body: bytes) -> None:  # noqa: FBT001
        if consumer == self.name:
            self._hear(Original(body, redelivered=redelivered, header=header))

    def _hear(self, message: Original) -> None:
        plain = message.read_plain()
        if plain is None:
            body = self._listener.hear(message.body, message.properties)
        else:
            body = self._listener.hear_whole(message.body, plain[0].message_id)
        if body is None:
            return
        try:
            outcomes = decode_outcomes(body)
        except Unreadable as err:
            self._metrics.unreadable.inc()
            if not self._warned:
                self._warned = True
                _log.warning("outcomes cannot be read; is a gateway of another version?", reason=str(err))
            return
        self._metrics.outcomes.inc(len(outcomes))
        self._reported(outcomes)


async def _ignore(_message: DeliveredMessage) -> None:
    """Being there is all that counts."""
