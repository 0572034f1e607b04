"""`python -m tests.bench.load.publisher`: a publisher in a process of its own, lean enough not to be what is measured.

Lines of JSON in, one line of JSON out for each: `backlog` as fast as the broker confirms, `steady` at an even rate,
`count` and `declare` queues. Without a line, the end.
"""

import asyncio
import json
import sys
import time
from collections import deque
from typing import Any

import uvloop

from tests.bench.load.amqp import Amqp
from tests.bench.load.bodies import body, now
from tests.bench.load.jetstream import JetStream

RECEIPTS_KEY = "bench"
MOST_UNCONFIRMED = 1_000
BATCH = 100
DECLARE_BATCH = 200
"""Pipelined; few enough that no question waits long."""

QUIET_SECONDS = 30.0


class Publisher:
    """Messages of one command are numbered from 0 for each routing key; ids are unique over all commands."""

    def __init__(self, url: str, exchange: str) -> None:
        kind = JetStream if url.startswith("nats:") else Amqp
        self.broker: Amqp | JetStream = kind(self._confirmed, self._receipt)
        self._exchange = exchange
        self._command = 0
        self._tag = 0
        self._sent_at: deque[tuple[int, int]] = deque()  # unconfirmed: tag and time, oldest first
        self._out_of_turn: set[int] = set()
        self._held_us: list[int] = []
        self._asked: dict[str, int] = {}
        self._settled_us: list[int] = []
        self._progress = asyncio.Event()

    async def backlog(self, keys: list[str], each: int, *, receipts: bool) -> dict[str, Any]:
        """`receipts`: the last message for each key asks for one."""
        self._begin()
        began, heads = time.monotonic(), [self.broker.head(self._exchange, key) for key in keys]
        batch: list[bytes] = []
        for number in range(each):
            for n, head in enumerate(heads):
                batch.append(self._message(head, number, f"{n}", receipt=receipts and number == each - 1))
                if len(batch) == BATCH:
                    self.broker.writer.write(b"".join(batch))
                    batch.clear()
                    await self._until(lambda: len(self._sent_at) <= MOST_UNCONFIRMED)
        self.broker.writer.write(b"".join(batch))
        await self._until(lambda: not self._sent_at)
        return {"published": len(keys) * each, "seconds": time.monotonic() - began}

    async def steady(self, keys: list[str], rate: float, seconds: float, *, receipt_every: int) -> dict[str, Any]:
        """To one key after the other. `late_ms`: how far behind its time each message left."""
        self._begin()
        heads = [self.broker.head(self._exchange, key) for key in keys]
        count, began, late_ms = int(rate * seconds), time.monotonic(), []
        for n in range(count):
            wait = began + n / rate - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            late_ms.append((time.monotonic() - began - n / rate) * 1e3)
            asks = receipt_every > 0 and n % receipt_every == 0
            self.broker.writer.write(self._message(heads[n % len(keys)], n // len(keys), f"{n}", receipt=asks))
        await self._until(lambda: not self._sent_at)
        return {"published": count, "seconds": time.monotonic() - began, "late_ms": late_ms}

    async def settled(self) -> dict[str, Any]:
        """Wait for all receipts that were asked for; all times since the last command, in milliseconds."""
        await self._until(lambda: not self._asked)
        return {"held_ms": [us / 1e3 for us in self._held_us], "settled_ms": [us / 1e3 for us in self._settled_us]}

    async def count(self, queues: list[str]) -> dict[str, Any]:
        """-1 and -1: one of them is not there."""
        ready, consumers = await self.broker.counted(queues) or (-1, -1)
        return {"ready": ready, "consumers": consumers}

    async def declare(self, bound: list[tuple[str, str, str]], arguments: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        for start in range(0, len(bound), DECLARE_BATCH):
            await self.broker.declare(bound[start : start + DECLARE_BATCH], arguments)
        return {"seconds": time.monotonic() - began}

    def _begin(self) -> None:
        self._command += 1
        self._held_us.clear()
        self._settled_us.clear()
        self._asked.clear()

    def _message(self, head: bytes, number: int, unique: str, *, receipt: bool) -> bytes:
        at = now()
        self._tag += 1
        self._sent_at.append((self._tag, at))
        correlation = f"{self._command}.{unique}"
        if receipt:
            self._asked[correlation] = at
        asks = (RECEIPTS_KEY.encode(), correlation.encode()) if receipt else None
        return self.broker.message(head, body(number, at), self._tag, f"{self._command}.{number}".encode(), asks)

    async def _until(self, done: Any) -> None:
        while not done():
            self._progress.clear()
            async with asyncio.timeout(QUIET_SECONDS):
                await self._progress.wait()

    def _confirmed(self, tag: int, multiple: bool) -> None:
        """The broker may confirm out of turn; a time is taken when all before are confirmed too."""
        if not multiple:
            self._out_of_turn.add(tag)
        waiting, at = self._sent_at, now()
        while waiting and ((multiple and waiting[0][0] <= tag) or waiting[0][0] in self._out_of_turn):
            first, sent = waiting.popleft()
            self._out_of_turn.discard(first)
            self._held_us.append(at - sent)
        self._progress.set()

    def _receipt(self, correlation: str) -> None:
        sent = self._asked.pop(correlation, None)
        if sent is not None:
            self._settled_us.append(now() - sent)
            self._progress.set()


async def main() -> None:
    reader = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    wanted = json.loads(await reader.readline())
    publisher = Publisher(wanted["url"], wanted["exchange"])
    await publisher.broker.open(wanted["url"])
    if wanted["receipts"] and isinstance(publisher.broker, Amqp):
        await publisher.broker.receive(wanted["receipts"], RECEIPTS_KEY)
    while line := await reader.readline():
        asked = json.loads(line)
        said = await getattr(publisher, asked.pop("do"))(**asked)
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
    await publisher.broker.close()


if __name__ == "__main__":
    uvloop.run(main())
