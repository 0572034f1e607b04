"""First contact: users whom nobody knows yet connect while a message comes for each of them.

Their queues are made, what was caught for them is put in, and they are bound.
"""

import asyncio

from tests.bench.cpu import Spent
from tests.bench.load.crowd import crowd
from tests.bench.load.post import Post
from tests.bench.phases.result import Result, faults, first_median_last, spread
from tests.bench.systems.system import System

CONTACT_SECONDS = 120.0


async def contact(system: System, post: Post, users: list[str]) -> Result:
    """A message may come before its user's client, or after: both are as in life."""
    async with crowd(system, users) as clients:
        spent = Spent(system.pids)
        clients.tell("connect")
        await asyncio.gather(post.backlog(users, 1), clients.reaches("count", len(users), CONTACT_SECONDS))
        took, used = spent.so_far()
        report = await clients.report()
    left = await post.free(users)
    numbers = {
        "users": float(len(users)),
        **first_median_last(report["last_seconds"]),
        **spread("received", report["latencies_ms"]),
        **{f"{name}_us": value / len(users) * 1e6 for name, value in used.items()},
        **{f"{name}_percent": value / took * 100 for name, value in used.items()},
    }
    return Result(f"first contact {len(users)}", system.name, numbers, faults(report, len(users), left))
