"""The raw limits of the libraries: aiormq that only consumes and acks, python-socketio that only emits."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from tests.bench.load.crowd import crowd
from tests.bench.load.post import Post
from tests.bench.phases.drain import marks
from tests.bench.phases.result import Result, between, faults
from tests.bench.systems.child import child
from tests.bench.systems.system import WINDOW, System
from tests.support.services import ROOT

LIMIT_SECONDS = 180.0


async def consume(system: System, post: Post, users: list[str], messages: int) -> Result:
    """`system` names queues and keys; nobody serves."""
    each = max(1, messages // len(users))
    total = each * len(users)
    await post.declare(users, {})
    await post.backlog(users, each)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.load.bare_consumer"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    wanted = {
        "url": system.broker_url,
        "queues": [system.queue(user) for user in users],
        "window": WINDOW,
        "watched": system.pids,
        "marks": marks(total, len(users)),
    }
    said, _ = await asyncio.wait_for(process.communicate(json.dumps(wanted).encode() + b"\n"), LIMIT_SECONDS)
    left = await post.free(users)
    return Result("drain", system.name, between(*json.loads(said)), {"left in queues": left} if left else {})


async def emit(name: str, folder: Path, users: list[str], messages: int) -> Result:
    each = max(1, messages // len(users))
    total = each * len(users)
    command = (sys.executable, "-m", "tests.bench.load.bare_emitter", str(each), str(WINDOW))
    async with child(*command, log=folder / "bare-emitter.log", folder=ROOT) as (pid, port):
        system = System(
            name=name,
            protocol="socket.io",
            ports=[port],
            broker_url="",
            exchange="",
            key=str,
            queue=str,
            login=lambda user: "{}",
            pids={"python-socketio": pid},
        )
        async with crowd(system, users, hold=True, marks=marks(total, len(users))) as clients:
            await clients.connect()
            clients.tell("go_on")
            await clients.reaches("count", total, LIMIT_SECONDS)
            report = await clients.report()
    return Result("drain", name, between(*report["marks"]), faults(report, total))
