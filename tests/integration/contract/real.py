"""The real RabbitMQ as the contract speaks to it."""

import asyncio
from collections.abc import Callable

from pamqp import body, commands, header
from pamqp.base import Frame
from pamqp.common import FieldTable

from tests.integration.contract.rabbit import SILENCE_SECONDS, Letter
from tests.integration.contract.wire import Received, Wire
from tests.simulation.events import Cancelled, CancelOk, ChannelClosed, Confirmed, Delivered, Event, Returned
from tests.support.until import TooLate

ANSWER_SECONDS = 8.0
QUORUM: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}


class RealRabbit:
    """`quorum`: every queue that is not exclusive is a quorum queue, with the delivery limit as good as off."""

    def __init__(self, url: str, restart: Callable[[], object], *, quorum: bool) -> None:
        self._url = url
        self._restart = restart
        self._quorum = quorum
        self._connections: list[RealConnection] = []

    async def connect(self) -> "RealConnection":
        connection = RealConnection(await Wire.open(self._url), quorum=self._quorum)
        self._connections.append(connection)
        return connection

    async def elapse(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def count(self, queue: str) -> tuple[int, int] | None:
        return _counts(await self._operate(commands.Queue.Declare(queue=queue, passive=True)))

    async def delete_queue(self, name: str) -> None:
        await self._operate(commands.Queue.Delete(queue=name))

    async def purge_queue(self, name: str) -> None:
        await self._operate(commands.Queue.Purge(queue=name))

    async def restart(self) -> None:
        await asyncio.to_thread(self._restart)

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()

    async def _operate(self, method: Frame) -> Frame | None:
        connection = await self.connect()
        answer = await (await connection.channel()).call(method)
        await connection.close()
        return answer


class RealConnection:
    def __init__(self, wire: Wire, *, quorum: bool) -> None:
        self.wire = wire
        self._quorum = quorum
        self._channels = 0

    async def channel(self) -> "RealChannel":
        self._channels += 1
        channel = RealChannel(self.wire, self._channels, quorum=self._quorum)
        await channel.call(commands.Channel.Open())
        await channel.call(commands.Confirm.Select())
        return channel

    async def close(self) -> None:
        await self.wire.close()

    async def cut(self) -> None:
        await self.wire.cut()


class RealChannel:
    def __init__(self, wire: Wire, number: int, *, quorum: bool) -> None:
        self._wire = wire
        self._number = number
        self._quorum = quorum
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._answer: asyncio.Future[Frame | None] | None = None
        self._published = 0
        self._unconfirmed: dict[int, None] = {}
        self._content: tuple[Frame, header.ContentHeader | None, bytes] | None = None
        self._closed = False
        wire.receivers[number] = self._received

    async def call(self, method: Frame) -> Frame | None:
        """The broker's answer; None when it closed the channel instead."""
        if self._closed:
            return None
        self._answer = asyncio.get_running_loop().create_future()
        self._wire.write(self._number, method)
        return await asyncio.wait_for(self._answer, ANSWER_SECONDS)

    async def declare_exchange(self, name: str, kind: str, alternate: str | None = None) -> None:
        arguments: FieldTable = {"alternate-exchange": alternate} if alternate else {}
        await self.call(commands.Exchange.Declare(exchange=name, exchange_type=kind, durable=True, arguments=arguments))

    async def declare_queue(
        self,
        name: str,
        *,
        exclusive: bool = False,
        single_active_consumer: bool = False,
        ttl_seconds: float | None = None,
        delivery_limit: int | None = None,
    ) -> tuple[int, int] | None:
        arguments: FieldTable = {}
        if self._quorum and not exclusive:
            arguments.update(QUORUM)
        if single_active_consumer:
            arguments["x-single-active-consumer"] = True
        if ttl_seconds is not None:
            arguments["x-message-ttl"] = int(ttl_seconds * 1000)
        if delivery_limit is not None:
            arguments["x-delivery-limit"] = delivery_limit
        declare = commands.Queue.Declare(queue=name, durable=not exclusive, exclusive=exclusive, arguments=arguments)
        return _counts(await self.call(declare))

    async def bind(self, queue: str, exchange: str, routing_key: str = "") -> None:
        await self.call(commands.Queue.Bind(queue=queue, exchange=exchange, routing_key=routing_key))

    async def publish(self, exchange: str, routing_key: str, letter: Letter, *, mandatory: bool = False) -> int:
        self._published += 1
        self._unconfirmed[self._published] = None
        content = letter.body.encode()
        properties = commands.Basic.Properties(
            delivery_mode=2 if letter.persistent else 1,
            expiration=None if letter.expiration is None else str(int(letter.expiration * 1000)),
            message_id=str(self._published),
        )
        self._wire.write(
            self._number,
            commands.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory),
            header.ContentHeader(body_size=len(content), properties=properties),
            body.ContentBody(content),
        )
        return self._published

    async def qos(self, prefetch: int) -> None:
        await self.call(commands.Basic.Qos(prefetch_count=prefetch))

    async def consume(self, queue: str, consumer_tag: str, *, no_ack: bool = False) -> None:
        await self.call(commands.Basic.Consume(queue=queue, consumer_tag=consumer_tag, no_ack=no_ack))

    async def cancel(self, consumer_tag: str) -> None:
        await self.call(commands.Basic.Cancel(consumer_tag))

    async def ack(self, tag: int) -> None:
        self._wire.write(self._number, commands.Basic.Ack(tag))

    async def nack(self, tag: int) -> None:
        self._wire.write(self._number, commands.Basic.Nack(tag))

    async def close(self) -> None:
        await self.call(commands.Channel.Close(200, "goodbye", 0, 0))
        self._closed = True

    async def next(self) -> Event:
        try:
            return await asyncio.wait_for(self._events.get(), ANSWER_SECONDS)
        except TimeoutError:
            raise TooLate(f"nothing more was said within {ANSWER_SECONDS} s") from None

    async def silent(self) -> bool:
        await asyncio.sleep(SILENCE_SECONDS)
        return self._events.empty()

    def _received(self, received: Received) -> None:
        match received:
            case commands.Basic.Deliver() | commands.Basic.Return():
                self._content = (received, None, b"")
            case header.ContentHeader():
                assert self._content is not None
                self._content = (self._content[0], received, b"")
                self._content_grew()
            case body.ContentBody():
                assert self._content is not None
                self._content = (*self._content[:2], self._content[2] + received.value)
                self._content_grew()
            case commands.Basic.Ack():
                self._confirmed(received)
            case commands.Basic.Cancel():
                self._events.put_nowait(Cancelled(received.consumer_tag or ""))
            case commands.Channel.Close():
                self._closed = True
                self._wire.write(self._number, commands.Channel.CloseOk())
                self._events.put_nowait(ChannelClosed(received.reply_code or 0, received.reply_text))
                self._answered(None)
            case commands.Basic.CancelOk():
                self._events.put_nowait(CancelOk(received.consumer_tag or ""))
                self._answered(received)
            case Frame():
                self._answered(received)

    def _answered(self, answer: Frame | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def _confirmed(self, ack: commands.Basic.Ack) -> None:
        tag = ack.delivery_tag or 0
        for token in [t for t in self._unconfirmed if t == tag or (ack.multiple and t < tag)]:
            del self._unconfirmed[token]
            self._events.put_nowait(Confirmed(token))

    def _content_grew(self) -> None:
        assert self._content is not None
        method, head, content = self._content
        assert head is not None
        if len(content) < head.body_size:
            return
        properties = head.properties
        expiration = None if properties.expiration is None else int(properties.expiration) / 1000
        letter = Letter(content.decode(), expiration, persistent=properties.delivery_mode == 2)
        if isinstance(method, commands.Basic.Deliver):
            tag = method.delivery_tag or 0
            self._events.put_nowait(Delivered(method.consumer_tag or "", tag, method.redelivered, letter))
        elif isinstance(method, commands.Basic.Return):
            token = int(properties.message_id or 0)
            self._events.put_nowait(Returned(token, method.exchange, method.routing_key or "", letter))
        self._content = None


def _counts(answer: Frame | None) -> tuple[int, int] | None:
    if not isinstance(answer, commands.Queue.DeclareOk):
        return None
    return answer.message_count or 0, answer.consumer_count or 0
