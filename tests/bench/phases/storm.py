"""All clients are cut, a message comes for each, and all return at once: how long until they are caught up."""

from tests.bench.cpu import Spent
from tests.bench.load.crowd import Crowd
from tests.bench.load.post import Post
from tests.bench.phases.idle import at_rest, grown
from tests.bench.phases.result import Result
from tests.bench.systems.system import System

CAUGHT_UP_SECONDS = 180.0


async def storm(
    system: System, post: Post, clients: Crowd, users: list[str], before: dict[str, float], seconds: float
) -> Result:
    """They are all connected, and are again afterwards. A client that is not let in tries again as the stock one."""
    already = clients.number("count")
    clients.tell("cut")
    await clients.report()  # what was before
    await post.backlog(users, 1)
    spent = Spent(system.pids)
    clients.tell("connect")
    await clients.reaches("count", already + len(users), CAUGHT_UP_SECONDS)
    took, used = spent.so_far()
    report = await clients.report()
    await clients.reaches("online", clients.size)
    wrong = {name: report[name] for name in ("repeated", "skipped", "damaged") if report[name]}
    caught_up, online = sorted(report["last_seconds"]), sorted(report["online_seconds"])
    rest = await at_rest(system, clients, seconds)
    numbers = {
        "sessions": float(clients.size),
        "first_seconds": caught_up[0],
        "median_seconds": caught_up[len(caught_up) // 2],
        "last_seconds": caught_up[-1],
        "last_online_seconds": online[-1],
        "tried_again": float(clients.number("lost")),
        "timeouts": float(clients.number("timeouts")),
        **{f"{name}_us": value / len(users) * 1e6 for name, value in used.items()},
        **{f"{name}_percent": value / took * 100 for name, value in used.items()},
        **grown(system, len(users), before),
        **{f"rest_{name}": value for name, value in rest.items()},
    }
    return Result(f"storm {clients.size}", system.name, numbers, wrong)
