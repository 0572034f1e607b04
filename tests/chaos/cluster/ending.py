"""After a chaos run in a cluster: wait until all is well, and see that nothing is left anywhere."""

import asyncio
from collections.abc import Awaitable, Callable

from shared.names import DEAD_LETTERS, user_queue
from tests.chaos.cluster.ground import Cluster
from tests.support.containers import NODES
from tests.support.judge import judge
from tests.support.until import TooLate

STEP_SECONDS = 0.5


async def drained(cluster: Cluster, patience_seconds: float) -> list[str]:
    """Heals everything, and waits so long for each: what was not as it should be in the end, nothing if all is well.

    Where something is not, nobody waits for what comes after it.
    """
    await cluster.heal()
    cluster.publishing = False
    complaints: list[str] = []

    async def come(wanted: Callable[[], Awaitable[str]]) -> None:
        deadline = cluster.timeline.now + patience_seconds
        while said := await wanted():
            if complaints or cluster.timeline.now > deadline:
                complaints.append(said)
                return
            await asyncio.sleep(STEP_SECONDS)

    try:
        for node in NODES:
            await cluster.whole(node)
        await cluster.installation.ready()
    except (AssertionError, TooLate) as err:
        complaints.append(str(err))
    await come(lambda: _all_came(cluster))
    for device in cluster.devices:
        await device.end()
    await come(lambda: _queues(cluster))
    return complaints


async def _all_came(cluster: Cluster) -> str:
    lost = sorted(judge(cluster.timeline).lost)
    away = [device.name for device in cluster.devices if not device.connected]
    return f"{len(lost)} messages did not come: {lost[:5]}, not connected: {away}" if lost or away else ""


async def _queues(cluster: Cluster) -> str:
    """Users' queues, leases (one that is left is a ghost), and `dead-letters`, where nothing has a reason to be."""
    try:
        queues = await asyncio.to_thread(cluster.installation.queues, NODES[0])
    except AssertionError as err:
        return str(err)
    ours = {user_queue(device.user) for device in cluster.devices} | {DEAD_LETTERS}
    left = {name: count for name, count in queues.items() if count and (name in ours or name.startswith("sessions."))}
    return f"left in queues: {left}" if left else ""
