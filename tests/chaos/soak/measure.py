"""What a soak looks at: memory, files and tasks of each process, and what the broker holds for them. Linux."""

import asyncio
import os
import resource
from pathlib import Path
from typing import Any

from tests.chaos.soak.series import BROKER, TEST, Sample
from tests.chaos.stage import VHOST, Stage
from tests.support.services import Kind

MEGABYTE = 1_000_000


async def sample(stage: Stage) -> Sample:
    """Broker figures are those of its management API, some seconds old. Raises OSError when that does not answer."""
    values: dict[tuple[str, str], float] = {(TEST, "memory"): _resident(os.getpid())}
    for kind in Kind:
        posts = [post for post in stage.posts if post.kind is kind]
        for number, post in enumerate(posts, 1):
            name = f"{kind} {number}"
            values[name, "memory"] = _resident(post.service.pid)
            values[name, "files"] = len(list(Path(f"/proc/{post.service.pid}/fd").iterdir()))
            values[name, "tasks"] = await post.service.metric("restante_tasks")
    for what, value in (await _broker(stage)).items():
        values[BROKER, what] = value
    return Sample(stage.timeline.now, values)


async def _broker(stage: Stage) -> dict[str, float]:
    overview: Any = await stage.manage("GET", "/api/overview?columns=object_totals")
    nodes: Any = []
    while not (nodes and "mem_used" in nodes[0]):  # RabbitMQ 3.10 has no figures in its first seconds
        nodes = await stage.manage("GET", "/api/nodes?columns=mem_used,proc_used")
    queues: Any = await stage.manage("GET", f"/api/queues/{VHOST}?columns=name,exclusive")
    totals = overview["object_totals"]
    exclusive = sum(bool(queue["exclusive"]) for queue in queues)
    return {
        "memory": nodes[0]["mem_used"] / MEGABYTE,
        "processes": nodes[0]["proc_used"],
        **{what: totals[what] for what in ("connections", "channels", "consumers")},
        "durable queues": len(queues) - exclusive,
        "exclusive queues": exclusive,
    }


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / MEGABYTE


async def settled(stage: Stage, *, seconds: float = 60.0, pause_seconds: float = 3.0) -> Sample:
    """What there is once three looks in a row count the same of everything at the broker."""
    deadline = stage.timeline.now + seconds
    same = 1
    last = await sample(stage)
    while same < 3 and stage.timeline.now < deadline:
        await asyncio.sleep(pause_seconds)
        now = await sample(stage)
        same = same + 1 if now.counts() == last.counts() else 1
        last = now
    return last
