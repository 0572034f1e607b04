"""Everybody is connected and messages come at an even rate: how late they are, and what that costs."""

from tests.bench.cpu import Spent
from tests.bench.load.crowd import crowd
from tests.bench.load.post import Post
from tests.bench.phases.result import Result, faults, spread
from tests.bench.systems.system import System

WARM_UP_SECONDS = 1.0


async def steady(system: System, post: Post, users: list[str], rate: float, seconds: float) -> Result:
    """`received`: published until the client has it; `confirmed`: until the receipt is back at the publisher."""
    async with crowd(system, users) as clients:
        await clients.connect()
        warm = (await post.steady(users, rate, WARM_UP_SECONDS))["published"]
        await clients.reaches("count", warm)
        await post.settled()
        await clients.report()  # the warm-up's
        spent, before = Spent(system.pids), clients.cpu_seconds()
        posted = post.cpu_seconds
        published = await post.steady(users, rate, seconds)
        count = published["published"]
        await clients.reaches("count", warm + count)
        took, used = spent.so_far()
        load = clients.cpu_seconds() - before
        posted = post.cpu_seconds - posted
        settled = await post.settled()
        report = await clients.report()
    left = await post.free(users)
    numbers = {
        "per_second": count / took,
        **spread("received", report["latencies_ms"]),
        **(spread("confirmed", settled["settled_ms"]) if settled["settled_ms"] else {}),
        **spread("held", settled["held_ms"]),
        **{f"{name}_us": value / count * 1e6 for name, value in used.items()},
        **{f"{name}_percent": value / took * 100 for name, value in used.items()},
        "clients_percent": load / took * 100,
        "publisher_percent": posted / took * 100,
        **spread("publisher_late", published["late_ms"]),
    }
    return Result(f"steady {rate:g}/s", system.name, numbers, faults(report, warm + count, left))
