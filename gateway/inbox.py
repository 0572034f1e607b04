"""The gateway's inbox: an exclusive queue, gone with its connection, in which dispatchers say what they want.

Where there is a sieve, it comes through it: the library makes tasks of each batch, and a trickle is a batch a message.
"""

import asyncio
import time
from collections.abc import Callable

from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from gateway.metrics import Metrics
from shared import log
from shared.broker import BrokerAway
from shared.decoding import properties_of
from shared.names import GATEWAYS_EXCHANGE
from shared.numbered import Listener
from shared.sieve import Sieve
from shared.wire import UNBOUND, Batch, Unreadable, decode_batch

UNREADABLE_LOG_SECONDS = 60.0

_log = log.get(__name__)


class Inbox:
    """Of one connection. `told` is called with each batch, in order."""

    def __init__(self, name: str, metrics: Metrics, told: Callable[[Batch], None]) -> None:
        self.name = name
        self._metrics = metrics
        self._told = told
        self._listener = Listener()
        self._bodies: asyncio.Queue[bytes | None] = asyncio.Queue()  # None: it is bound no more
        self._unreadable_logged = -UNREADABLE_LOG_SECONDS

    async def declare(self, channel: AbstractChannel) -> None:
        await channel.queue_declare(self.name, exclusive=True)
        await channel.queue_bind(self.name, GATEWAYS_EXCHANGE, self.name)

    async def consume(self, channel: AbstractChannel, sieve: Sieve | None) -> None:
        if sieve is not None:
            sieve.claim(channel.number, self._on_sifted)
        await channel.basic_consume(self.name, self._on_message, no_ack=True)

    async def run(self) -> None:
        """For ever: tells what came. Outside of the reading of the socket, so that a fault ends the service.

        Raises `BrokerAway` when a dispatcher says that what it told this inbox has come back.
        """
        while True:
            body = await self._bodies.get()
            if body is None:
                raise BrokerAway("the inbox is not bound any more")
            try:
                batch = decode_batch(body)
            except Unreadable as err:
                self._metrics.unreadable.inc()
                if time.monotonic() - self._unreadable_logged > UNREADABLE_LOG_SECONDS:
                    self._unreadable_logged = time.monotonic()
                    _log.warning("a dispatcher's batch cannot be read and is left out", reason=str(err))
                continue
            self._told(batch)

    def _on_sifted(self, _consumer: str, _tag: int, _redelivered: bool, header: bytes, body: bytes) -> None:  # noqa: FBT001
        self._hear(body, properties_of(header))

    async def _on_message(self, message: DeliveredMessage) -> None:
        # Nothing is awaited here: each delivery is a task of its own, and they start in order.
        self._hear(message.body, message.header.properties)

    def _hear(self, body: bytes, properties: Basic.Properties) -> None:
        if properties.message_type == UNBOUND:
            self._bodies.put_nowait(None)
        elif (new := self._listener.hear(body, properties)) is not None:
            self._bodies.put_nowait(new)
