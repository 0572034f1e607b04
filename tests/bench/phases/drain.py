"""A backlog waits for every user: how fast it drains, and what each delivery costs.

All clients log in and get their first window, but keep their confirmations until everybody is there. What is counted
begins when those windows are over and a quarter has come, so neither logging in nor warming up is in it; that is
another phase's matter.
"""

from tests.bench.cpu import resident_megabytes
from tests.bench.load.crowd import crowd
from tests.bench.load.post import Post
from tests.bench.phases.result import Result, between, faults
from tests.bench.systems.system import WINDOW, System

NOT_COUNTED = 0.25
DRAIN_SECONDS = 180.0


def marks(total: int, users: int) -> list[int]:
    """From which delivery to which is counted: what came while confirmations were kept is not."""
    return [max(int(total * NOT_COUNTED), WINDOW * users + 1), total]


async def drain(system: System, post: Post, users: list[str], messages: int) -> Result:
    """Every user has a queue already, and nobody reads it."""
    each = max(1, messages // len(users))
    total = each * len(users)
    published = await post.backlog(users, each, receipts=system.receipts)
    async with crowd(system, users, hold=True, marks=marks(total, len(users))) as clients:
        await clients.connect()
        clients.tell("go_on")
        await clients.reaches("count", total, DRAIN_SECONDS)
        if system.receipts:
            await post.settled()
        report = await clients.report()
        megabytes = {name: resident_megabytes(pid) for name, pid in system.pids.items()}
    left = await post.free(users)
    numbers = {
        **between(*report["marks"]),
        "publisher_per_second": total / published["seconds"],
        **{f"{name}_mb": value for name, value in megabytes.items()},
    }
    return Result("drain", system.name, numbers, faults(report, total, left))


async def visit(system: System, post: Post, users: list[str]) -> None:
    """Everybody is there once, so that everybody has a queue; waits until all of it is over."""
    async with crowd(system, users) as clients:
        await clients.connect()
        await post.served(users)
    await post.free(users)
