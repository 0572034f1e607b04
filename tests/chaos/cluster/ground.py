"""What a chaos run in a cluster plays on: all of deploy/ with three RabbitMQ nodes, clients, load."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.cluster.cuts import mend
from tests.chaos.device import Device
from tests.chaos.timeline import Mishap, Timeline
from tests.support.containers import NODES, Installation, docker, installed
from tests.support.publisher import Publisher
from tests.support.tokens import token

USERS = 8
FORGETFUL = 2
"""So many of them hand over no `seen`."""

PAUSE_SECONDS = 0.15
WHOLE_SECONDS = 120.0
TOKEN_SECONDS = 86_400.0
QUICK = {
    "GATEWAY_PING_INTERVAL_SECONDS": "3",
    "GATEWAY_PING_TIMEOUT_SECONDS": "3",
    "GATEWAY_CONFIRM_TIMEOUT_SECONDS": "30",
    "DISPATCHER_LINGER_SECONDS": "1",
}


@dataclass(slots=True)
class Cluster:
    """`nodes_busy`: what breaks one node lets the others alone, because two of three must be there; `remarks` are
    what an operator had to do.
    """

    installation: Installation
    timeline: Timeline = field(default_factory=Timeline)
    devices: list[Device] = field(default_factory=list)
    mishaps: list[Mishap] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    publishing: bool = True
    nodes_busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def docker(self, *arguments: str) -> str:
        return await asyncio.to_thread(docker, *arguments)

    async def name(self, service: str, number: int = 0) -> str:
        """Of a container."""
        return (await asyncio.to_thread(self.installation.names, service))[number]

    async def whole(self, victim: str) -> None:
        """Wait until a node that was broken is one of three again; raises AssertionError if it never is.

        RabbitMQ may stay split when a node comes back before it has noticed that it was away; it is then started anew,
        as deploy/README.md tells the operator.
        """
        other = NODES[NODES.index(victim) - 1]
        await self.installation.whole(other, seconds=WHOLE_SECONDS)
        if any([await asyncio.to_thread(self.installation.is_split, node) for node in (victim, other)]):
            self.remarks.append("RabbitMQ stayed split, so the node was started anew")
            await self.docker("restart", await self.name(victim))
            await self.installation.whole(other, seconds=WHOLE_SECONDS)

    async def heal(self) -> None:
        """Every container runs and reaches every other one, and everybody answers."""
        for service in (*NODES, "gateway", "dispatcher"):
            for name in await asyncio.to_thread(self.installation.names, service):
                if await self.docker("inspect", "--format", "{{.State.Paused}}", name) == "true":
                    await self.docker("unpause", name)
                await self.docker("start", name)
        for node in NODES:
            await asyncio.to_thread(mend, await self.name(node))
        for device in self.devices:
            device.answer_after(0.0)

    async def publish(self, user: str) -> None:
        """Message after message, each until a node has confirmed it."""
        async with Publisher(self.installation.publisher_url, self.timeline) as publisher:
            for number in itertools.count():
                if not self.publishing:
                    return
                await publisher.publish_surely(user, number, id=f"m{number}")
                await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def clustered(folder: Path) -> AsyncIterator[Cluster]:
    """All are up, every queue is on three nodes, all clients connected; at the end all are gone."""
    starting = installed(folder, cluster=True, GATEWAYS="2", DISPATCHERS="2", **QUICK)
    installation = await asyncio.to_thread(starting.__enter__)
    cluster = Cluster(installation)
    try:
        for number in range(USERS):
            user = f"user-{number}"
            device = Device(f"phone of {user}", user, cluster.timeline, remembers=number >= FORGETFUL)
            cluster.devices.append(device)
        await asyncio.gather(
            *(d.come(installation.url, token(d.user, lives_seconds=TOKEN_SECONDS)) for d in cluster.devices)
        )
        # The order of the first messages of a user without a queue is not promised.
        await asyncio.gather(*(installation.bound(device.user) for device in cluster.devices))
        await installation.whole(NODES[0])
        yield cluster
    finally:
        for device in cluster.devices:
            await device.end()
        await asyncio.to_thread(starting.__exit__, None, None, None)
