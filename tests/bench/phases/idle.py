"""Nothing but sessions: what one costs in memory, what all of them cost in CPU while nothing happens."""

import asyncio
import time

from tests.bench.cpu import Spent, resident_megabytes
from tests.bench.load.crowd import Crowd
from tests.bench.phases.result import Result
from tests.bench.systems.system import System

SETTLE_SECONDS = 3.0


def memory(system: System) -> dict[str, float]:
    return {name: resident_megabytes(pid) for name, pid in system.pids.items()}


async def idle(system: System, clients: Crowd, before: dict[str, float], seconds: float) -> Result:
    """`before`: the memory when nobody was there. Connects them, and leaves them connected."""
    began, logins = time.monotonic(), Spent(system.pids)
    await clients.connect()
    took = time.monotonic() - began
    await asyncio.sleep(SETTLE_SECONDS)
    _, used = logins.so_far()
    numbers = {
        "sessions": float(clients.size),
        "online_seconds": took,
        **{f"{name}_login_us": value / clients.size * 1e6 for name, value in used.items()},
        **grown(system, clients.size, before),
        **(await at_rest(system, clients, seconds)),
    }
    return Result(f"idle {clients.size}", system.name, numbers, trouble(clients))


async def at_rest(system: System, clients: Crowd, seconds: float) -> dict[str, float]:
    spent, load = Spent(system.pids), clients.cpu_seconds()
    await asyncio.sleep(seconds)
    took, used = spent.so_far()
    percent = {f"{name}_percent": value / took * 100 for name, value in used.items()}
    return {**percent, "clients_percent": (clients.cpu_seconds() - load) / took * 100}


def grown(system: System, size: int, before: dict[str, float]) -> dict[str, float]:
    """Kilobytes a session, and what each process has in all."""
    after = memory(system)
    each = {f"{name}_kb_each": (after[name] - before[name]) * 1000 / size for name in after}
    return {**each, **{f"{name}_mb": value for name, value in after.items()}}


def trouble(clients: Crowd) -> dict[str, int]:
    return {name: count for name in ("lost", "timeouts", "refused") if (count := clients.number(name))}
