"""What goes wrong in a cluster: each breaks something, puts it right again, and waits until the cluster is whole."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from tests.chaos.cluster.cuts import cut, cut_from_everybody, mend
from tests.chaos.cluster.ground import Cluster
from tests.support.containers import NODES

Break = Callable[[Cluster, Random], Awaitable[None]]

LONG_SECONDS = (22.0, 30.0)
"""More than the 19 s after which a node that is silent is given up."""


async def node_killed(cluster: Cluster, random: Random) -> None:
    await _for_a_while(cluster, random, "kill", "start", random.uniform(1.0, 12.0))


async def node_stopped(cluster: Cluster, random: Random) -> None:
    await _for_a_while(cluster, random, "stop", "start", random.uniform(0.0, 5.0))


async def node_frozen_shortly(cluster: Cluster, random: Random) -> None:
    await _for_a_while(cluster, random, "pause", "unpause", random.uniform(1.0, 8.0))


async def node_frozen_until_it_was_given_up(cluster: Cluster, random: Random) -> None:
    await _for_a_while(cluster, random, "pause", "unpause", random.uniform(*LONG_SECONDS))


async def node_partitioned_from_the_others(cluster: Cluster, random: Random) -> None:
    """Clients and services still reach it: it must stop by itself, and the other two go on."""
    victim, others = _two_sides(random)
    async with cluster.nodes_busy:
        names = [await cluster.name(other) for other in others]
        await _cut(cluster, victim, random, lambda name: cut(name, names))


async def node_cut_from_everybody(cluster: Cluster, random: Random) -> None:
    victim, _ = _two_sides(random)
    async with cluster.nodes_busy:
        await _cut(cluster, victim, random, cut_from_everybody)


async def two_nodes_cut_from_each_other(cluster: Cluster, random: Random) -> None:
    """Both still reach the third one."""
    victim, (other, _) = _two_sides(random)
    async with cluster.nodes_busy:
        names = [await cluster.name(other)]
        await _cut(cluster, victim, random, lambda name: cut(name, names))


async def service_killed(cluster: Cluster, random: Random) -> None:
    name = await cluster.name(random.choice(["gateway", "dispatcher"]), random.randrange(2))
    await cluster.docker("kill", name)
    await asyncio.sleep(random.uniform(0.0, 3.0))
    await cluster.docker("start", name)


BREAKS: list[Break] = [
    node_killed,
    node_stopped,
    node_frozen_shortly,
    node_frozen_until_it_was_given_up,
    node_partitioned_from_the_others,
    node_cut_from_everybody,
    two_nodes_cut_from_each_other,
    service_killed,
]


def _two_sides(random: Random) -> tuple[str, list[str]]:
    one, *others = random.sample(NODES, len(NODES))
    return one, others


async def _for_a_while(cluster: Cluster, random: Random, strike: str, heal: str, seconds: float) -> None:
    victim, _ = _two_sides(random)
    async with cluster.nodes_busy:
        name = await cluster.name(victim)
        await cluster.docker(strike, name)
        await asyncio.sleep(seconds)
        await cluster.docker(heal, name)
        await cluster.whole(victim)


async def _cut(cluster: Cluster, victim: str, random: Random, how: Callable[[str], None]) -> None:
    name = await cluster.name(victim)
    try:
        await asyncio.to_thread(how, name)
        await asyncio.sleep(random.uniform(*LONG_SECONDS))
    finally:
        await asyncio.to_thread(mend, name)
    await cluster.whole(victim)
