"""`python -m tests.chaos --cluster`: the three nodes of deploy/ are killed, frozen and partitioned under load."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from deploy.containers.engine import NoEngine
from tests.chaos.cluster.cuts import NoCut, check
from tests.chaos.cluster.ending import drained
from tests.chaos.cluster.ground import clustered
from tests.chaos.cluster.mishaps import BREAKS
from tests.chaos.command import complain, quiet
from tests.chaos.report import pictured, report, saying
from tests.chaos.run import run


def play(console: Console, folder: Path, seed: int, seconds: float, *, alone: bool) -> int:
    """Its exit code: 0 clean, 1 not, 2 where it cannot be played. In a cluster order may break at a take-over."""
    try:
        check()
        folder.mkdir(parents=True, exist_ok=True)
        quiet()
        return asyncio.run(_play(console, folder, seed, seconds, alone))
    except (NoCut, NoEngine, pytest.skip.Exception) as err:
        console.print(f"NOT PLAYED: {err}", style="red", markup=False)
        return 2


async def _play(console: Console, folder: Path, seed: int, seconds: float, alone: bool) -> int:
    asyncio.get_running_loop().set_exception_handler(complain)
    async with clustered(folder) as cluster:
        with saying(console) as say:
            result = await run(cluster, seed, seconds, say, kinds=BREAKS, end=drained, alone=alone)
        title = f"restante on three RabbitMQ nodes, chaos with seed {seed}: how late each message came"
        picture = await pictured(cluster, title, folder / f"cluster-{seed}")
        clean = result.clean_but_for_order
        report(console, result, clean=clean, picture=picture, logs=folder)
        for remark, times in Counter(cluster.remarks).items():
            console.print(f"{remark}: {times} times")
        if not clean:
            names = [n for service in ("gateway", "dispatcher") for n in cluster.installation.names(service)]
            (folder / "services.log").write_text(cluster.installation.logs(names))
    return 0 if clean else 1
