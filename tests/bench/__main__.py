"""`make bench`: gets a RabbitMQ of its own, measures the pair, prints a table (or JSON with --json)."""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.local.broker import Kind, find
from tests.bench.figures import Drained, Steady
from tests.bench.pair import Pair


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--messages", type=int, default=20_000, help="the backlog, of all users together")
    parser.add_argument("--rate", type=float, default=100.0, help="messages a second in the steady part")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the steady part")
    parser.add_argument("--broker", choices=[kind.value for kind in Kind], default=Kind.PRIVATE.value)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args()


async def measure(asked: argparse.Namespace, broker_url: str, folder: Path) -> tuple[Drained, Steady]:
    pair = Pair(broker_url, folder, asked.users, say)
    async with pair.up():
        return await pair.drain(asked.messages), await pair.steady(asked.rate, asked.seconds)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def show(drained: Drained, steady: Steady, users: int) -> None:
    console = Console()
    console.print(f"Backlog of {drained.deliveries} for {users} users: {drained.per_second} confirmed a second")
    backlog = Table()
    for column in ("", "CPU us per delivery", "MB"):
        backlog.add_column(column, justify="right")
    for name, microseconds in drained.microseconds.items():
        backlog.add_row(name, str(microseconds), str(drained.megabytes[name]))
    console.print(backlog)

    console.print(f"Steady {steady.per_second:g} a second: milliseconds since publishing")
    latency = Table()
    for column in ("", "p50", "p95", "p99", "worst"):
        latency.add_column(column, justify="right")
    for name, p in (("held by the broker", steady.held), ("received", steady.received), ("receipt", steady.settled)):
        latency.add_row(name, *(f"{value:.1f}" for value in (p.p50, p.p95, p.p99, p.worst)))
    console.print(latency)
    console.print("CPU at that rate: " + ", ".join(f"{name} {share} %" for name, share in steady.cpu_percent.items()))


def main() -> None:
    asked = arguments()
    with tempfile.TemporaryDirectory(prefix="restante-bench-") as folder:
        broker = find(Path(folder), Kind(asked.broker), say)
        try:
            drained, steady = asyncio.run(measure(asked, broker.url, Path(folder)))
        finally:
            broker.close()
    if asked.json:
        print(json.dumps({"users": asked.users, "drained": asdict(drained), "steady": asdict(steady)}, indent=2))
    else:
        show(drained, steady, asked.users)


if __name__ == "__main__":
    main()
