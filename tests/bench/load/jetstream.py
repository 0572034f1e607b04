"""As much NATS JetStream as a lean publisher needs: one connection, its stream and the users' consumers."""

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

from tests.bench.load.amqp import ANSWER_SECONDS
from tests.bench.load.dialogue import Dialogue

DELIVERED = "deliver."
ACKS, ANSWERS = b"acks.", b"answers."
KEPT = {"storage": "file", "retention": "workqueue"}
"""Until it is acked, and no longer."""


class JetStream(Dialogue):
    """What `Amqp` is for RabbitMQ. `confirmed(tag, multiple)` is told of each message that the stream has stored."""

    def __init__(self, confirmed: Callable[[int, bool], None], _receipt: Callable[[str], None]) -> None:
        self._confirmed = confirmed
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def open(self, url: str) -> None:
        await self._begin(url, b'CONNECT {"verbose":false}\r\nSUB %s* 1\r\nSUB %s* 2\r\n' % (ACKS, ANSWERS))

    @staticmethod
    def head(_exchange: str, key: str) -> bytes:
        return f"PUB {key} ".encode()

    @staticmethod
    def message(head: bytes, body: bytes, tag: int, _message_id: bytes, _receipt: tuple[bytes, bytes] | None) -> bytes:
        return b"%s%s%d %d\r\n%s\r\n" % (head, ACKS, tag, len(body), body)

    async def counted(self, queues: list[str]) -> tuple[int, int] | None:
        """How many messages wait for these consumers, and how many of them are at work: the server reads acks late."""
        said = await asyncio.gather(*(self._ask(f"CONSUMER.INFO.{queue}", {}) for queue in queues))
        at_work = sum(each.get("push_bound", False) or each["num_ack_pending"] > 0 for each in said)
        return sum(each["num_pending"] for each in said), at_work

    async def declare(self, bound: list[tuple[str, str, str]], arguments: dict[str, Any]) -> None:
        """For each a durable consumer, `<stream>.<consumer>`, of what its stream takes: the subjects, and its own."""
        for queue, subjects, key in bound:
            stream, _, consumer = queue.partition(".")
            await self._ask(f"STREAM.CREATE.{stream}", {"name": stream, "subjects": [subjects or key], **KEPT})
            settled = {"durable_name": consumer, "deliver_subject": f"{DELIVERED}{consumer}", "filter_subject": key}
            config = {**settled, "ack_policy": "explicit", **arguments}
            await self._ask(f"CONSUMER.DURABLE.CREATE.{queue}", {"stream_name": stream, "config": config})

    async def _ask(self, what: str, fields: dict[str, Any]) -> dict[str, Any]:
        number, body = next(self._numbers), json.dumps(fields).encode()
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        self.writer.write(b"PUB $JS.API.%s %s%d %d\r\n%s\r\n" % (what.encode(), ANSWERS, number, len(body), body))
        async with asyncio.timeout(ANSWER_SECONDS):
            found: dict[str, Any] = await answer
        assert "error" not in found, f"{what}: {found}"
        return found

    async def _read(self) -> None:
        rest = b""
        while data := await self._reader.read(2**20):
            data = rest + data
            start, end = 0, len(data)
            while (line := data.find(b"\r\n", start)) >= 0:
                after = line + 2
                words = data[start:line].split(b" ")
                if words[0] == b"MSG":
                    after += int(words[-1]) + 2
                    if after > end:
                        break
                    self._message(words[1], data[line + 2 : after - 2])
                elif words[0] == b"PING":
                    self.writer.write(b"PONG\r\n")
                else:
                    assert words[0] == b"INFO", data[start:line]
                start = after
            rest = data[start:]
        raise ConnectionError("the server closed the publisher's connection")

    def _message(self, subject: bytes, body: bytes) -> None:
        kind, _, number = subject.rpartition(b".")
        if kind + b"." == ACKS:
            assert body.startswith(b'{"stream"'), body
            self._confirmed(int(number), False)
        else:
            self._asked.pop(int(number)).set_result(json.loads(body))
