"""A publisher as an application would write it: waits for the broker's confirm, and comes back when it lost it."""

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelInvalidStateError
from pamqp.commands import Queue
from yarl import URL

from shared.names import DEAD_LETTERS, MESSAGES, RECEIPTS, user_queue
from shared.topology import name_every_user
from tests.support.history import Attempted, Buried, Held, History
from tests.support.until import STEP_SECONDS, until

RETRY_SECONDS = 0.1
GIVE_UP_SECONDS = 60.0
LOST = (aio_pika.exceptions.AMQPError, ChannelInvalidStateError, StopAsyncIteration, OSError, TimeoutError)


@dataclass(slots=True)
class Publisher:
    """Publishes, counts queues, reads dead letters and receipts. `async with` closes its connection."""

    url: str
    """Several, with commas between: each that is opened is the next one's turn."""
    history: History = field(default_factory=list)
    _connection: AbstractConnection | None = None
    _channel: AbstractChannel | None = None
    _looking: AbstractChannel | None = None
    _opened: int = 0

    async def __aenter__(self) -> Self:
        name_every_user()
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def publish(self, user: str, data: object, *, id: str | None = None, **properties: Any) -> None:  # noqa: A002
        """One JSON message (bytes go as they are), persistent, confirmed by the broker when this returns."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        if id is not None:
            self.history.append(Attempted(user, id))
        await self.put(user, body, id, properties)
        if id is not None:
            self.history.append(Held(user, id))

    async def publish_surely(self, user: str, data: object, *, id: str) -> None:  # noqa: A002
        """As `publish`, but tries again with a new connection until the broker has confirmed it."""
        self.history.append(Attempted(user, id))
        deadline = asyncio.get_running_loop().time() + GIVE_UP_SECONDS
        while True:
            try:
                async with asyncio.timeout(5):
                    if self._channel is None:
                        await self._open()
                    await self.put(user, json.dumps(data).encode(), id, {})
            except LOST:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await self._close()
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.history.append(Held(user, id))
                return

    async def put(self, user: str, body: bytes, message_id: str | None, properties: dict[str, Any]) -> None:
        """Publish without a line in the history."""
        assert self._channel is not None
        exchange = await self._channel.get_exchange(MESSAGES, ensure=False)
        message = aio_pika.Message(
            body, message_id=message_id, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, **properties
        )
        await exchange.publish(message, routing_key=user)

    async def burst(self, user: str, ids: list[str]) -> None:
        """Many messages under way at once, in the order of `ids`."""
        await asyncio.gather(*(self.publish(user, {"n": n}, id=message) for n, message in enumerate(ids)))

    async def waiting(self, queue: str) -> int | None:
        """How many messages are ready in a queue (those with a consumer are not counted); None: no such queue."""
        there = await self._look(queue)
        return None if there is None else there.message_count

    async def waits(self, user: str, count: int, *, seconds: float = 15.0) -> None:
        """Wait until so many messages are ready in the user's queue."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (there := await self.waiting(user_queue(user))) != count:
            assert asyncio.get_running_loop().time() < deadline, f"{there} messages wait for {user}, not {count}"
            await asyncio.sleep(STEP_SECONDS)

    async def consumed(self, user: str, *, by: int, seconds: float = 15.0) -> None:
        """Wait until the user's queue is there and has so many consumers. With none, nothing that comes sets out."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (there := await self._look(user_queue(user))) is None or there.consumer_count != by:
            assert asyncio.get_running_loop().time() < deadline, f"consumers of {user}'s queue are not {by}: {there}"
            await asyncio.sleep(STEP_SECONDS)

    async def _look(self, queue: str) -> Queue.DeclareOk | None:
        """None: no such queue."""
        assert self._connection is not None
        if self._looking is None or self._looking.is_closed:
            self._looking = await self._connection.channel()
        try:
            declared = await self._looking.declare_queue(queue, passive=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return None
        return declared.declaration_result

    async def purge(self, queue: str) -> None:
        """Drop what is ready in it."""
        assert self._channel is not None
        await (await self._channel.get_queue(queue, ensure=False)).purge()

    async def bind_receipts(self, name: str) -> "asyncio.Queue[tuple[str, dict[str, Any]]]":
        """A queue of one's own for receipts to `name`: correlation id and receipt, as they come."""
        assert self._channel is not None
        came: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        queue = await self._channel.declare_queue(exclusive=True)
        await queue.bind(RECEIPTS, name)

        async def note(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            came.put_nowait((str(message.correlation_id), json.loads(message.body)))

        await queue.consume(note, no_ack=True)
        return came

    async def dead_letters(self, user: str, count: int = 1, *, seconds: float = 30.0) -> list[dict[str, Any]]:
        """Wait for so many dead letters of a user, leave all in their place, and give headers, id and body."""
        found: list[dict[str, Any]] = []
        assert self._connection is not None
        channel = await self._connection.channel()
        queue = await channel.declare_queue(DEAD_LETTERS, passive=True)

        async def note(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            if message.headers.get("user") == user:
                found.append({**message.headers, "id": message.message_id, "body": message.body})

        await queue.consume(note)
        try:
            await until(lambda: len(found) >= count, lambda: f"{count} dead letters of {user}, not {found}", seconds)
        finally:
            await channel.close()  # gives back what was looked at
        self.history.extend(Buried(user, str(letter["id"])) for letter in found)
        return found

    async def _open(self) -> None:
        urls = self.url.split(",")
        connection = aio_pika.Connection(URL(urls[self._opened % len(urls)]))
        self._opened += 1
        try:
            await connection.connect()
        except BaseException:
            await connection.close()  # or its finaliser tries to, when there may be no loop any more
            raise
        self._connection = connection
        self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)

    async def _close(self) -> None:
        connection, self._connection, self._channel, self._looking = self._connection, None, None, None
        if connection is not None:
            await connection.close()
