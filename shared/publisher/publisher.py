"""The publisher itself: one connection, made again whenever it is lost, and messages that are tried until held."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, overload

from aiormq.abc import AbstractConnection

from shared import sieve
from shared.broker import Backoff, BrokerAway, Refused, calling, close, connect, lost, wire
from shared.ceiling import Ceiling
from shared.names import MESSAGES
from shared.publish import ConfirmedPublisher, Nacked, PublishFailed, TooLarge, Unsendable
from shared.publisher.message import BadMessage, Outgoing, outgoing
from shared.publisher.receipts import OnReceipt, Receipt, Receipts
from shared.settings import BrokerSettings

_log = logging.getLogger(__name__)


class NotHeld(Exception):
    """In time, the broker did not say that it holds the message. It may hold it: send it again with its `id`."""

    def __init__(self, message_id: str, why: str) -> None:
        super().__init__(f"{message_id}: {why}")
        self.id = message_id


class Rejected(NotHeld):
    """The broker said that it does not hold the message: the user's queue is full."""


class Closed(Exception):
    """The publisher's block ended before the receipt came. The broker holds the message."""


class _Link:
    """One connection. `broken`: do not use it any more."""

    def __init__(self, publisher: ConfirmedPublisher, news: asyncio.Event) -> None:
        self.publisher = publisher
        self.broken = asyncio.Event()
        self.listening = asyncio.Event()
        self._news = news

    def listen(self) -> None:
        self.listening.set()
        self._news.set()


class Publisher:
    """Keeps a connection to the broker while the `async with` block runs.

        async with Publisher("amqp://app:secret@broker/") as publisher:
            message_id = await publisher.send("alice", {"hello": "world"})
            receipt = await publisher.send("alice", {"pay": 12}, receipt=True)

    A message that was sent is persistent and held by the broker, or an error was raised. A lost connection is made
    again and the message tried again with its id, so a client that keeps `seen` handles it once. Many may be
    under way at once; they keep the order of the calls unless a connection is lost between them: where
    the order counts, await one before the next.
    """

    def __init__(
        self,
        *urls: str,
        receipts: str | None = None,
        on_receipt: OnReceipt | None = None,
        ca_file: Path | None = None,
        give_up_seconds: float = 60.0,
        max_bytes: int = 262_144,
    ) -> None:
        """`urls`: one for each RabbitMQ node, tried in turn.

        Receipts are awaited by `send`, in this process. For those that come later, name a durable queue with
        `receipts` (`receipts.<name>`, one for each application) and give `on_receipt`: it is called, one at a time,
        with each receipt that no `send` waits for, again if it raises, and perhaps twice.
        `give_up_seconds`: how long `send` tries. `max_bytes`: MAX_MESSAGE_BYTES of the services.
        Raises ValueError for a name without `on_receipt`, or an address that is none.
        """
        if receipts is not None and on_receipt is None:
            raise ValueError("receipts that come later need on_receipt, or they would pile up")
        self._settings = BrokerSettings(broker_url=",".join(urls), broker_ca_file=ca_file)  # type: ignore[arg-type]
        self._give_up_seconds = give_up_seconds
        self._max_bytes = max_bytes
        self._ceiling = Ceiling()
        self._receipts = Receipts(receipts, on_receipt)
        self._wanted = asyncio.Event()
        if receipts is not None:
            self._wanted.set()
        self._news = asyncio.Event()
        self._link: _Link | None = None
        self._why = "no broker yet"
        self._closed = False
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Does not wait for a broker."""
        self._closed = False
        self._running = asyncio.create_task(self._run(), name="publisher")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whoever still waits in `send` is told: `NotHeld`, or `Closed` where only the receipt is missing."""
        assert self._running is not None  # noqa: S101 -- entered
        self._closed = True
        self._running.cancel()
        await asyncio.wait({self._running})
        self._news.set()
        self._receipts.end(Closed("the publisher was closed before the receipt came"))

    @overload
    async def send(
        self,
        user: str,
        data: object,
        *,
        type: str = "",
        ttl: float | None = None,
        message_id: str | None = None,
        receipt: Literal[False] = False,
    ) -> str: ...
    @overload
    async def send(
        self,
        user: str,
        data: object,
        *,
        type: str = "",
        ttl: float | None = None,
        message_id: str | None = None,
        receipt: Literal[True],
    ) -> Receipt: ...
    async def send(
        self,
        user: str,
        data: object,
        *,
        type: str = "",  # noqa: A002 -- its name in the contract
        ttl: float | None = None,
        message_id: str | None = None,
        receipt: bool = False,
    ) -> str | Receipt:
        """The message's id once the broker holds it; with `receipt`, what became of it once it is settled.

        `data`: bytes as they are, everything else as JSON. `ttl`: seconds after which the broker drops it while it
        waits; then no receipt ever comes, so give that wait a limit (`asyncio.timeout`), and any other too: the
        user may be away for days. To cancel the wait does not take the message back.
        Raises `BadMessage`, `Rejected`, `NotHeld`, `Closed`.
        """
        message = outgoing(user, data, message_id=message_id, kind=type, ttl_seconds=ttl, max_bytes=self._max_bytes)
        if not receipt:
            await self._held(user, message)
            return message.id
        with self._expecting(message) as told:
            await self._held(user, message)
            return await told

    @contextlib.contextmanager
    def _expecting(self, message: Outgoing) -> "Iterator[asyncio.Future[Receipt]]":
        correlation, told = self._receipts.expect()
        message.properties.reply_to, message.properties.correlation_id = self._receipts.key, correlation
        self._wanted.set()
        try:
            yield told
        finally:
            self._receipts.forget(correlation)

    async def _held(self, user: str, message: Outgoing) -> None:
        try:
            async with asyncio.timeout(self._give_up_seconds):
                while not await self._tried(user, message):
                    if self._closed:
                        raise NotHeld(message.id, "the publisher was closed")
        except TimeoutError as err:
            raise NotHeld(message.id, f"not held within {self._give_up_seconds:g} s: {self._why}") from err

    async def _tried(self, user: str, message: Outgoing) -> bool:
        if not self._ceiling.takes(message.body):
            raise BadMessage(self._ceiling.exceeded(message.body))
        link = await self._linked(listening=message.properties.reply_to is not None)
        if link is None:
            return False
        try:
            await link.publisher.publish(
                message.body, message.properties, exchange=MESSAGES, routing_key=user, mandatory=True
            )
        except Nacked as err:
            raise Rejected(message.id, str(err)) from err
        except Unsendable as err:
            raise BadMessage(str(err)) from err
        except (PublishFailed, BrokerAway) as err:
            if isinstance(err, TooLarge):  # this one, or another that was under way with it
                self._ceiling.learn(err)
            self._why = str(err)
            link.broken.set()  # also where the broker only does not answer: the next connection may
            return False
        return True

    async def _linked(self, *, listening: bool) -> "_Link | None":
        """A connection not known to be broken; with its receipts consumed, if they are needed. None: closed."""
        while not self._closed:
            link = self._link
            if link is not None and not link.broken.is_set() and (link.listening.is_set() or not listening):
                return link
            self._news.clear()
            await self._news.wait()
        return None

    async def _run(self) -> None:
        backoff = Backoff(most_seconds=5.0)
        while True:
            try:
                await self._connection(backoff)
            except (BrokerAway, Refused) as err:
                self._why = str(err)
                _log.debug("no broker; tried again: %s", err)
            await backoff.wait()

    async def _connection(self, backoff: Backoff) -> None:
        """One connection, from its beginning to its end."""
        connection = await connect(self._settings, "restante publisher", sifted=sieve.LANE.taken)
        listening: asyncio.Task[None] | None = None
        try:
            with calling("opening a channel"):
                channel = await wire(connection).channel(publisher_confirms=True, on_return_raises=True)
            link = self._link = _Link(ConfirmedPublisher(channel), self._news)
            backoff.reset()
            self._news.set()
            listening = asyncio.create_task(self._listen(wire(connection), link), name="receipts")
            broken = asyncio.create_task(link.broken.wait())
            ends: set[asyncio.Future[Any]] = {lost(connection), listening, broken}
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                broken.cancel()  # also when the block ends: else asyncio complains of a task that was left pending
            if listening.done():
                listening.result()
        finally:
            self._link = None
            if listening is not None:
                listening.cancel()
                await asyncio.wait({listening})
            await close(connection)

    async def _listen(self, connection: AbstractConnection, link: "_Link") -> None:
        """Consumes receipts once somebody wants one. What wants none goes on where the broker refuses that."""
        await self._wanted.wait()
        backoff = Backoff(most_seconds=5.0)
        while True:
            try:
                with calling("consuming receipts"):
                    channel = await connection.channel(publisher_confirms=False)
                    await self._receipts.consume(channel, link.listen)
            except Refused as err:
                self._why = str(err)
                _log.warning("no receipts; tried again: %s", err)
            await backoff.wait()
