"""`python -m tests.bench.rollout`: what users notice when services join, leave, drain and are replaced.

Gets a RabbitMQ of its own, keeps users under a trickle of messages, makes one change after the other, and lets a judge
look at each. Prints a table (or JSON with --json).
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.local.broker import Broker, Kind, find
from deploy.local.rabbitmq import Management
from tests.bench.__main__ import say
from tests.support.bound import bound_by
from tests.support.fleet import Fleet
from tests.support.judge import Verdict, judge
from tests.support.python_client import PythonClient
from tests.support.release import BETWEEN, NEW
from tests.support.scaling import spread
from tests.support.services import Services
from tests.support.stream import Stream, Timed, p99

STEADY_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Change:
    """`lost`, `reordered` and `repeated` must be 0, and `reconnects_per_second` at most `allowed_per_second`."""

    what: str
    seconds: float
    under_way: int
    messages: int
    lost: int
    reordered: int
    repeated: int
    reconnects_per_second: int
    allowed_per_second: float
    p99_before_ms: float
    p99_during_ms: float


class Record:
    """Measures one change after the other on one fleet."""

    def __init__(self, fleet: Fleet, stream: Stream, history: Timed, allowed_per_second: float) -> None:
        self._fleet, self._stream, self._history = fleet, stream, history
        self._allowed = allowed_per_second
        self._before = Verdict()
        self.changes: list[Change] = []

    async def change(self, what: str, act: Callable[[], Awaitable[object]], *, reconnects: bool = False) -> None:
        stream = self._stream
        say(f"{what}: first {STEADY_SECONDS:g} s without it")
        stream.go_on()
        steady, already = time.monotonic(), len(self._history)
        await stream.flow(STEADY_SECONDS)
        began, under_way = time.monotonic(), stream.under_way()
        await act()
        await spread(self._fleet.dispatchers)
        over = time.monotonic()
        await stream.still()
        after = judge(self._history)
        self.changes.append(
            Change(
                what,
                round(over - began, 1),
                under_way,
                len({h for h in self._history[already:] if type(h).__name__ == "Held"}),
                len(after.lost),
                len(after.reordered) - len(self._before.reordered),
                _repeated(after) - _repeated(self._before),
                stream.reconnects_per_second(began),
                self._allowed if reconnects else 0.0,
                p99(stream.latencies_ms(steady, began)),
                p99(stream.latencies_ms(began, over)),
            )
        )
        say(str(self.changes[-1]))
        self._before = after


def _repeated(verdict: Verdict) -> int:
    """All: within a session, in spite of `seen`, and those that nothing was promised for."""
    return sum(
        map(len, (verdict.repeated_in_session, verdict.repeated_after_seen, verdict.repeated_without_seen)),
    )


async def measure(asked: argparse.Namespace, broker: Broker, folder: Path) -> list[Change]:
    history = Timed()
    services = Services(broker.url.partition(",")[0], folder)
    clients = [PythonClient(f"client {n}", f"user.{n}", history) for n in range(asked.users)]
    settings = {"GATEWAY_DRAIN_SECONDS": str(asked.drain_seconds), "LOG_LEVEL": "warning"}
    try:
        async with (
            Fleet(services, release=BETWEEN, settings=settings) as fleet,
            Stream(
                services.broker_url,
                fleet.balancer.url,
                clients,
                history,
                bound_by(Management(broker.management_url), services.broker_url),
                asked.rate,
            ) as stream,
        ):
            await spread(fleet.dispatchers)
            # Of one gateway at a time, which may have all clients; never faster than that, but for a few.
            record = Record(fleet, stream, history, max(10.0, asked.users / asked.drain_seconds))
            await record.change("a third dispatcher joins", fleet.join)
            await record.change("a dispatcher drains", lambda: fleet.leave(fleet.dispatchers[0]))

            async def kill() -> None:
                fleet.dispatchers.pop(0).kill()

            await fleet.join()
            await spread(fleet.dispatchers)
            await record.change("a dispatcher is killed", kill)
            await fleet.join()
            await spread(fleet.dispatchers)
            fleet.gateways.append(services.gateway(BETWEEN, **settings))
            await fleet.gateways[-1].ready(seconds=60.0)
            await record.change("a gateway drains", lambda: fleet.leave(fleet.gateways[0]), reconnects=True)
            await record.change("roll-out of all four", lambda: fleet.replace_all(NEW), reconnects=True)
            return record.changes
    finally:
        for client in clients:
            await client.end()
        await services.end()


def show(changes: list[Change], asked: argparse.Namespace) -> None:
    table = Table(title=f"{asked.users} users, {asked.rate:g} messages a second, drain of {asked.drain_seconds:g} s")
    columns = ("", "s", "under way", "messages", "lost", "reordered", "repeated", "back/s", "allowed", "p99 before")
    for column in (*columns, "p99 during"):
        table.add_column(column, justify="left" if not column else "right")
    for change in changes:
        table.add_row(*(f"{value:g}" if isinstance(value, float) else str(value) for value in asdict(change).values()))
    Console(width=140).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rollout", description=__doc__)
    parser.add_argument("--users", type=int, default=60)
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second, to all together")
    parser.add_argument("--drain-seconds", type=float, default=5.0, help="GATEWAY_DRAIN_SECONDS")
    parser.add_argument("--broker", choices=[kind.value for kind in Kind], default=Kind.PRIVATE.value)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="restante-bench-") as folder:
        broker = find(Path(folder), Kind(asked.broker), say)
        try:
            changes = asyncio.run(measure(asked, broker, Path(folder)))
        finally:
            broker.close()
    if asked.json:
        print(json.dumps([asdict(change) for change in changes], indent=2))
    else:
        show(changes, asked)


if __name__ == "__main__":
    main()
