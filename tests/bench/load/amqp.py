"""As much AMQP 0-9-1 as a lean publisher needs: one connection, one channel, frames read in bulk."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from pamqp import base, commands, frame, header
from pamqp.constants import FRAME_END_CHAR

from tests.bench.load.dialogue import Dialogue

METHOD, HEADER, BODY = 1, 2, 3
BASIC_ACK, BASIC_NACK, BASIC_RETURN, BASIC_DELIVER = (60 << 16 | 80, 60 << 16 | 120, 60 << 16 | 50, 60 << 16 | 60)
CHANNEL, LOOKING = 1, 2
ANSWER_SECONDS = 60.0
PLAIN, CONTENT_TYPE = b"\x01", b"\x10application/json"
DURABLE = b"\x02"

_FRAME = struct.Struct(">BHI")
_HEADER = struct.Struct(">HHQH")


def publish_head(exchange: str, key: str) -> bytes:
    """basic.publish, all of its frame: not mandatory, so that each message is confirmed and none comes back."""
    marshalled: bytes = frame.marshal(commands.Basic.Publish(exchange=exchange, routing_key=key), CHANNEL)
    return marshalled


def content(body: bytes, message_id: bytes, receipt: tuple[bytes, bytes] | None) -> bytes:
    """Header and body frames of a persistent JSON message. `receipt`: where it goes, and its correlation id."""
    flags = 0x8000 | 0x1000 | 0x0080
    middle = b""
    if receipt is not None:
        flags |= 0x0400 | 0x0200
        middle = _short(receipt[1]) + _short(receipt[0])
    properties = CONTENT_TYPE + DURABLE + middle + _short(message_id)
    head = _HEADER.pack(60, 0, len(body), flags) + properties
    return b"".join(
        (
            _FRAME.pack(HEADER, CHANNEL, len(head)),
            head,
            FRAME_END_CHAR,
            _FRAME.pack(BODY, CHANNEL, len(body)),
            body,
            FRAME_END_CHAR,
        )
    )


def _short(text: bytes) -> bytes:
    return bytes((len(text),)) + text


class Amqp(Dialogue):
    """One channel in confirm mode. `confirmed(tag, multiple)` and `receipt(correlation id)` are told what comes."""

    def __init__(self, confirmed: Callable[[int, bool], None], receipt: Callable[[str], None]) -> None:
        self._confirmed, self._receipt = confirmed, receipt
        self._answers: asyncio.Queue[base.Frame] = asyncio.Queue()

    async def open(self, url: str) -> None:
        parts = urlsplit(url)
        await self._begin(url, b"AMQP\x00\x00\x09\x01")
        await self._answer()
        login = f"\0{unquote(parts.username or 'guest')}\0{unquote(parts.password or 'guest')}"
        await self._ask(commands.Connection.StartOk({}, "PLAIN", login, "en_US"), 0)
        self.send(commands.Connection.TuneOk(2047, 131_072, 0), 0)
        await self._ask(commands.Connection.Open(unquote(parts.path[1:]) or "/"), 0)
        await self._ask(commands.Channel.Open())
        await self._ask(commands.Confirm.Select())

    @staticmethod
    def head(exchange: str, key: str) -> bytes:
        return publish_head(exchange, key)

    @staticmethod
    def message(head: bytes, body: bytes, _tag: int, message_id: bytes, receipt: tuple[bytes, bytes] | None) -> bytes:
        return head + content(body, message_id, receipt)

    async def receive(self, exchange: str, key: str) -> None:
        """Receipts with this routing key are told from now on."""
        declared = await self._ask(commands.Queue.Declare(exclusive=True))
        assert isinstance(declared, commands.Queue.DeclareOk)
        assert declared.queue is not None
        await self._ask(commands.Queue.Bind(queue=declared.queue, exchange=exchange, routing_key=key))
        await self._ask(commands.Basic.Consume(queue=declared.queue, no_ack=True))

    async def counted(self, queues: list[str]) -> tuple[int, int] | None:
        """How many messages are ready in these queues together, and how many consumers they have.

        None: one of them is not there, which ends the channel; so this one is opened to look, and no other is lost.
        """
        await self._ask(commands.Channel.Open(), LOOKING)
        for queue in queues:
            self.send(commands.Queue.Declare(queue=queue, passive=True), LOOKING)
        ready = consumers = 0
        for _ in queues:
            answer = await self._answer()
            if isinstance(answer, commands.Channel.Close):
                self.send(commands.Channel.CloseOk(), LOOKING)
                return None
            ready, consumers = ready + answer.message_count, consumers + answer.consumer_count
        await self._ask(commands.Channel.Close(200, "", 0, 0), LOOKING)
        return ready, consumers

    async def declare(self, bound: list[tuple[str, str, str]], arguments: dict[str, Any]) -> None:
        """Durable queues, each bound: queue, exchange, key."""
        asked: list[base.Frame] = []
        for queue, exchange, key in bound:
            asked.append(commands.Queue.Declare(queue=queue, durable=True, arguments=arguments))
            asked.append(commands.Queue.Bind(queue=queue, exchange=exchange, routing_key=key))
        for question in asked:
            self.send(question)
        for _ in asked:
            await self._answer()

    def send(self, method: base.Frame, channel: int = CHANNEL) -> None:
        self.writer.write(frame.marshal(method, channel))

    async def _ask(self, method: base.Frame, channel: int = CHANNEL) -> Any:
        self.send(method, channel)
        answer = await self._answer()
        assert not isinstance(answer, (commands.Channel.Close, commands.Connection.Close)), answer.reply_text
        return answer

    async def _answer(self) -> Any:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._answers.get()

    async def _read(self) -> None:
        rest = b""
        while data := await self._reader.read(2**20):
            data = rest + data
            position, end = 0, len(data)
            while end - position >= 8:
                kind, _, size = _FRAME.unpack_from(data, position)
                after = position + 8 + size
                if after > end:
                    break
                self._frame(kind, data, position, after)
                position = after
            rest = data[position:]
        raise ConnectionError("the broker closed the publisher's connection")

    def _frame(self, kind: int, data: bytes, start: int, end: int) -> None:
        method = int.from_bytes(data[start + 7 : start + 11], "big") if kind == METHOD else 0
        if method == BASIC_ACK:
            self._confirmed(int.from_bytes(data[start + 11 : start + 19], "big"), bool(data[start + 19]))
        elif kind == METHOD and method != BASIC_DELIVER:
            assert method not in (BASIC_NACK, BASIC_RETURN), "the broker did not take a message"
            self._answers.put_nowait(_unmarshalled(data[start:end]))
        elif kind == HEADER:
            found = _unmarshalled(data[start:end])
            assert isinstance(found, header.ContentHeader)
            self._receipt(str(found.properties.correlation_id))


def _unmarshalled(data: bytes) -> Any:
    return frame.unmarshal(data)[2]
