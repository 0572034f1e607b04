"""One dispatcher, one gateway, many users: how fast a backlog drains, and how late messages are at a steady rate."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.cpu import cpu_seconds, listener, resident_megabytes
from tests.bench.crowd import Crowd, crowd
from tests.bench.figures import Drained, Percentiles, Steady
from tests.support.publisher import Publisher
from tests.support.services import Services
from tests.support.tokens import token
from tests.support.until import until

BODY_BYTES = 200
IN_FLIGHT = 400
RECEIPTS_KEY = "bench"
RECEIPT_EVERY = 5
LIMIT_SECONDS = 120.0

Say = Callable[[str], None]


class Pair:
    """The services under measurement. `say` tells progress."""

    def __init__(self, broker_url: str, folder: Path, users: int, say: Say) -> None:
        self._broker_url, self._say = broker_url, say
        self._services = Services(broker_url, folder)
        self._users = [f"bench.{n}" for n in range(users)]
        self._numbers = itertools.count()
        self._settled: dict[str, float] = {}

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        """Services started, queues made, receipts read."""
        quiet = {"LOG_LEVEL": "warning", "GATEWAY_PING_INTERVAL_SECONDS": "10", "GATEWAY_PING_TIMEOUT_SECONDS": "8"}
        try:
            self._gateway, dispatcher = await self._services.pair(**quiet)
            self._processes = {"gateway": self._gateway.pid, "dispatcher": dispatcher.pid}
            broker = listener(urlsplit(self._broker_url).port or 5672)
            if broker is not None:
                self._processes["broker"] = broker
            async with Publisher(self._broker_url) as self._publisher:
                receipts = asyncio.create_task(self._read_receipts(await self._publisher.bind_receipts(RECEIPTS_KEY)))
                yield
                receipts.cancel()
        finally:
            await self._services.end()

    async def drain(self, messages: int) -> Drained:
        """Let a backlog wait in every queue, then let all clients come."""
        async with self._clients():
            pass  # every user has a queue now
        each = max(1, messages // len(self._users))
        self._say(f"publishing {each} messages for each of {len(self._users)} users")
        plan = [(user, n == each - 1) for n in range(each) for user in self._users]
        for start in range(0, len(plan), IN_FLIGHT):
            await asyncio.gather(*(self._publish(user, receipt) for user, receipt in plan[start : start + IN_FLIGHT]))
        self._settled.clear()
        before = self._cpu()
        async with self._clients(wait=False) as clients:
            await self._watch(clients, len(plan), lambda: len(self._settled) >= len(self._users))
            after = self._cpu()
        first = clients.said["first"]
        assert isinstance(first, float)
        seconds = max(self._settled.values()) - first
        return Drained(
            deliveries=len(plan),
            seconds=round(seconds, 2),
            per_second=round(len(plan) / seconds),
            microseconds={name: round((after[name] - before[name]) / len(plan) * 1e6) for name in before},
            megabytes={name: round(resident_megabytes(pid)) for name, pid in self._processes.items()},
        )

    async def steady(self, per_second: float, seconds: float) -> Steady:
        """Publish at an even rate to one user after the other, all of them connected."""
        count = int(per_second * seconds)
        sent: dict[str, float] = {}
        held: list[float] = []

        async def one(user: str, receipt: bool) -> None:
            began = time.monotonic()
            sent[await self._publish(user, receipt)] = began
            held.append((time.monotonic() - began) * 1e3)

        async with self._clients() as clients:
            self._settled.clear()
            self._say(f"publishing {per_second:g} messages a second for {seconds:g} s")
            before, began = self._cpu(), time.monotonic()
            async with asyncio.TaskGroup() as publishing:
                for n in range(count):
                    await asyncio.sleep(max(0.0, began + n / per_second - time.monotonic()))
                    publishing.create_task(one(self._users[n % len(self._users)], n % RECEIPT_EVERY == 0))
            took, after = time.monotonic() - began, self._cpu()
            await self._watch(clients, count, lambda: len(self._settled) >= count / RECEIPT_EVERY)
        latencies = clients.said["latencies_ms"]
        assert isinstance(latencies, list)
        return Steady(
            deliveries=count,
            per_second=round(count / took, 1),
            held=Percentiles.of(held),
            received=Percentiles.of(latencies),
            settled=Percentiles.of([(at - sent[message]) * 1e3 for message, at in self._settled.items()]),
            cpu_percent={name: round((after[name] - before[name]) / took * 100, 1) for name in before},
        )

    @asynccontextmanager
    async def _clients(self, *, wait: bool = True) -> AsyncIterator[Crowd]:
        async with crowd(self._gateway.port, [token(user) for user in self._users]) as clients:
            if wait:
                everybody = len(self._users)
                await until(lambda: clients.number("connected") == everybody, f"{everybody} clients", LIMIT_SECONDS)
            yield clients

    async def _watch(self, clients: Crowd, count: int, done: Callable[[], bool]) -> None:
        """Until all came and `done`, telling how far it is; raises after the time limit or when a client was cut."""
        deadline, told = time.monotonic() + LIMIT_SECONDS, 0.0
        while not (done() and clients.number("count") >= count):
            now = time.monotonic()
            assert now < deadline, f"{clients.number('count')} of {count} came in {LIMIT_SECONDS:g} s"
            assert not clients.number("closed"), f"{clients.number('closed')} clients were cut"
            if now - told >= 1.0:
                self._say(f"{clients.number('count')} of {count} confirmed")
                told = now
            await asyncio.sleep(0.01)

    async def _publish(self, user: str, receipt: bool) -> str:
        message_id = f"{next(self._numbers)}"
        filled = {"t": time.monotonic_ns(), "fill": ""}
        filled["fill"] = "x" * (BODY_BYTES - len(json.dumps(filled)))
        asks = {"reply_to": RECEIPTS_KEY, "correlation_id": message_id} if receipt else {}
        await self._publisher.put(user, json.dumps(filled).encode(), message_id, asks)
        return message_id

    async def _read_receipts(self, receipts: "asyncio.Queue[tuple[str, dict[str, object]]]") -> None:
        while True:
            correlation, _ = await receipts.get()
            self._settled.setdefault(correlation, time.monotonic())

    def _cpu(self) -> dict[str, float]:
        return {name: cpu_seconds(pid) for name, pid in self._processes.items()}
