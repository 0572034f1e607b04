"""All clients are cut, a message comes for each, and all return at once: how long until they are caught up."""

from contextlib import suppress

from tests.bench.cpu import Spent
from tests.bench.load.crowd import Crowd
from tests.bench.load.post import Post
from tests.bench.phases.idle import at_rest, grown
from tests.bench.phases.result import Result, first_median_last
from tests.bench.systems.system import System
from tests.support.until import TooLate

CAUGHT_UP_SECONDS = 180.0
WRONG = ("repeated", "skipped", "damaged")


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
    with suppress(TooLate):  # then it is said how many are not back: a storm that does not end is a finding too
        await clients.reaches("count", already + len(users), CAUGHT_UP_SECONDS)
    took, used = spent.so_far()
    report = await clients.report()
    away = len(users) - len(report["last_seconds"])
    counts = {f"not caught up within {CAUGHT_UP_SECONDS:g} s": away, **{name: report[name] for name in WRONG}}
    wrong = {name: count for name, count in counts.items() if count}
    caught_up, online = report["last_seconds"], report["online_seconds"]
    rest = await at_rest(system, clients, seconds)
    numbers = {
        "sessions": float(clients.size),
        **first_median_last(caught_up),
        "last_online_seconds": max(online, default=0.0),
        "caught_up": float(len(caught_up)),
        "tried_again": float(clients.number("lost")),
        "timeouts": float(clients.number("timeouts")),
        **{f"{name}_us": value / len(users) * 1e6 for name, value in used.items()},
        **{f"{name}_percent": value / took * 100 for name, value in used.items()},
        **grown(system, len(users), before),
        **{f"rest_{name}": value for name, value in rest.items()},
    }
    return Result(f"storm {clients.size}", system.name, numbers, wrong)
