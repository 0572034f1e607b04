"""Three RabbitMQ nodes with quorum queues: any one of them may die under load."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from time import monotonic

import pytest

from tests.support.client import Client
from tests.support.containers import NODES, Installation, docker, installed
from tests.support.history import Happening, Held, Received
from tests.support.judge import judge
from tests.support.load import Load

MESSAGES = 300
MOST_SECONDS = 30.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Timed(list[Happening]):
    """A history that knows when."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, happening: Happening) -> None:
        super().append(happening)
        self.times.append(monotonic())

    def longest_gap(self, kind: type[Held] | type[Received]) -> float:
        """The longest time in which one user had none, though before and after there were some. Seconds."""
        when: dict[str, list[float]] = {}
        for happening, time in zip(self, self.times, strict=True):
            if isinstance(happening, kind):
                when.setdefault(happening.user, []).append(time)
        return max(later - earlier for times in when.values() for earlier, later in pairwise(times))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("cluster"), cluster=True) as running:
        yield running


@pytest.fixture
def history() -> Timed:
    return Timed()


@pytest.mark.parametrize("victim", NODES)
async def test_publishing_goes_on_and_nothing_is_lost_when_a_node_dies(
    cluster: Installation,
    devices: list[Client],
    history: Timed,
    victim: str,
) -> None:
    survivor = next(node for node in NODES if node != victim)
    await cluster.whole(survivor)
    (name,) = cluster.names(victim)

    load = Load(cluster.publisher_url, cluster.url, devices, history, MESSAGES, cluster.bound)
    async with load:
        await load.passed(0.3)
        await asyncio.to_thread(docker, "kill", name)
        await load.drained(seconds=90)
        await cluster.empty([device.user for device in devices], node=survivor)
    await asyncio.to_thread(docker, "start", name)
    await cluster.whole(survivor)

    assert judge(history).clean, judge(history)
    confirms, deliveries = history.longest_gap(Held), history.longest_gap(Received)
    print(f"\n{victim} killed: {confirms:.1f} s without a confirm, {deliveries:.1f} s without a delivery")
    assert confirms < MOST_SECONDS
    assert deliveries < MOST_SECONDS
