"""Breaks a running system in every way there is, and judges: `python -m tests.chaos --seconds 180 --seed 7`."""

import argparse
import asyncio
import os
import secrets
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from deploy.local.broker import Broker, Kind
from tests.chaos.channel_errors import closed_with_an_error
from tests.chaos.cluster.command import play
from tests.chaos.command import KINDS, complain, playing
from tests.chaos.disk import NoDisk, SmallDisk
from tests.chaos.ending import drained
from tests.chaos.full_disk import FULL_DISK
from tests.chaos.kinds import named
from tests.chaos.mishaps import Break
from tests.chaos.report import pictured, report, saying
from tests.chaos.run import run
from tests.chaos.stage import staged
from tests.support.services import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180, help="how long things go wrong (default 180)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="which mishaps come, and when")
    parser.add_argument("--kinds", type=_kinds, default="usual", help="which come: names with commas between")
    parser.add_argument("--alone", action="store_true", help="never two at once: how long each is felt by itself")
    parser.add_argument(
        "--broker", type=Kind, choices=KINDS, default=Kind.PRIVATE, help="which RabbitMQ (default private)"
    )
    parser.add_argument("--cluster", action="store_true", help="the three RabbitMQ nodes of deploy/, in containers")
    parser.add_argument("--folder", type=Path, help="where logs and the picture go (default .run/chaos)")
    options = parser.parse_args()
    console = Console()
    console.print(f"seed {options.seed}")
    folder = options.folder or ROOT / ".run" / "chaos"
    if options.cluster:
        return play(console, folder / "cluster", options.seed, options.seconds, alone=options.alone)
    kinds, disk = options.kinds, None
    if any(kind in FULL_DISK for kind in kinds):
        try:
            disk = SmallDisk(folder, options.broker)
        except NoDisk as err:
            console.print(f"LEFT OUT, a full disk under the broker: {err}", style="red", markup=False)
            kinds = [kind for kind in kinds if kind not in FULL_DISK]
            if os.environ.get("CI") or not kinds:
                return 2
    return playing(
        console,
        folder,
        options.broker,
        lambda broker, url: _run(console, broker, url, folder, options, kinds, disk),
        disk,
    )


def _kinds(names: str) -> list[Break]:
    try:
        return named(names)
    except ValueError as err:
        raise argparse.ArgumentTypeError(str(err)) from err


async def _run(
    console: Console,
    broker: Broker,
    url: str,
    folder: Path,
    options: argparse.Namespace,
    kinds: Sequence[Break],
    disk: SmallDisk | None,
) -> int:
    asyncio.get_running_loop().set_exception_handler(complain)
    async with staged(broker, url, folder, disk=disk) as stage:
        with saying(console) as say:
            result = await run(stage, options.seed, options.seconds, say, kinds=kinds, end=drained, alone=options.alone)
        title = f"restante, chaos with seed {options.seed}: how late each message came, and what went wrong"
        picture = await pictured(stage, title, folder / f"chaos-{options.seed}")
        report(console, result, clean=result.clean, picture=picture, logs=stage.services.folder)
        for remark, times in Counter(stage.remarks).items():
            console.print(f"{remark}: {times} times")
        console.print(f"channels that the broker closed with an error: {closed_with_an_error(stage.services)}")
    return 0 if result.clean else 1


if __name__ == "__main__":
    sys.exit(main())
