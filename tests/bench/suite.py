"""`make bench`: measures restante and what others would use instead, in the same run; writes JSON, a table and a plot.

Gets a RabbitMQ of its own. Figures of different runs or machines cannot be compared; ratios within one run can.
"""

import argparse
import asyncio
import os
import platform
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from deploy.local.broker import Broker, Kind
from deploy.local.ports import free
from shared.files import raise_limit
from tests.bench.parts import ALONE, COMPARED, FULL, QUICK, Part, Place, Size
from tests.bench.plot import plot
from tests.bench.record import Record
from tests.bench.systems import nats
from tests.bench.systems.broker import own
from tests.bench.systems.system import WINDOW
from tests.bench.tables import show

OUT = Path(".run/bench")
SELDOM = ("nats-shared", "absent", "costs")
NATS = ("nats", "nats-shared")
AT_ONCE = 4
"""Parts, where the figures mean nothing: each mostly waits."""


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.suite", description=__doc__)
    parts = (*COMPARED, *ALONE)
    parser.add_argument("--runs", type=int, default=1, help="each part so often; medians are shown")
    parser.add_argument("--quick", action="store_true", help="a little of everything, in under a minute: it works")
    usual = [part for part in parts if part not in SELDOM]
    parser.add_argument("--parts", help=f"default: {','.join(usual)}; with --quick also {', '.join(SELDOM)}")
    parser.add_argument("--sessions", type=int, default=FULL.sessions, help="for idle and storm (default %(default)s)")
    parser.add_argument("--absent", default="0,10000", help="queues of users who are away (default %(default)s)")
    parser.add_argument("--messages", type=int, default=FULL.messages, help="the backlog (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=FULL.steady_seconds, help="a rate (default %(default)s)")
    parser.add_argument("--broker", choices=[Kind.PRIVATE.value, Kind.DOCKER.value], default=Kind.PRIVATE.value)
    parser.add_argument("--out", type=Path, default=OUT, help="folder for what was found (default %(default)s)")
    asked = parser.parse_args(argv)
    asked.parts = asked.parts.split(",") if asked.parts else list(parts) if asked.quick else usual
    if unknown := set(asked.parts) - set(parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if asked.messages < (least := (WINDOW + 1) * FULL.users):
        parser.error(f"--messages: at least {least}; the first windows are not counted")
    if nats.server() is None and set(NATS) & set(asked.parts):
        say("NATS is left out: no nats-server is installed (Debian: apt-get install nats-server)")
        asked.parts = [part for part in asked.parts if part not in NATS]
    absent = tuple(int(count) for count in asked.absent.split(","))
    given = Size(messages=asked.messages, sessions=asked.sessions, absent=absent, steady_seconds=asked.seconds)
    asked.size = QUICK if asked.quick else given
    return asked


async def measure(asked: argparse.Namespace, broker: Broker, web_mqtt_port: int, folder: Path, record: Record) -> None:
    compared = [COMPARED[part] for part in COMPARED if part in asked.parts]
    alone = [ALONE[part] for part in ALONE if part in asked.parts]
    turn = asyncio.Semaphore(AT_ONCE if asked.quick else 1)  # whoever asked first goes first

    async def measured(run: int, part: Part) -> None:
        async with turn:
            began, own_folder = time.monotonic(), folder / f"{run}-{part.__name__}"
            own_folder.mkdir()
            await part(Place(broker, web_mqtt_port, own_folder, partial(record.add, run), asked.size))
            say(f"run {run + 1}: {part.__name__} took {time.monotonic() - began:.0f} s")

    async with asyncio.TaskGroup() as parts:
        for run in range(asked.runs):
            turned = compared[run % len(compared) :] + compared[: run % len(compared)] if compared else []
            for part in (*turned, *alone):
                parts.create_task(measured(run, part), name=part.__name__)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    asked = arguments(argv)
    raise_limit()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it too ends what was started
    began, load = datetime.now(UTC), os.getloadavg()[0]
    (web_mqtt_port,) = free(1)
    with tempfile.TemporaryDirectory(prefix="restante-bench-") as name:
        folder, kind = Path(name), Kind(asked.broker)
        with own(kind, folder, web_mqtt_port, WINDOW, say) as broker:
            machine = {
                "began": began.isoformat(timespec="seconds"),
                "cores": os.cpu_count() or 0,
                "load_before": round(load, 1),
                "python": platform.python_version(),
                "rabbitmq": broker.version,
                "nats": nats.version(),
                "runs": asked.runs,
            }
            record = Record(machine)
            try:
                asyncio.run(measure(asked, broker, web_mqtt_port, folder, record))
            finally:
                found = record.write(asked.out / f"{began:%Y%m%d-%H%M%S}.json")
    show(record)
    drawn = plot(record, found.with_suffix(".png"))
    say(f"\n{found}" + (f"\n{drawn}" if drawn else "\nNo plot: Chromium is not installed."))
    return 1 if record.wrong("restante") else 0


if __name__ == "__main__":
    sys.exit(main())
