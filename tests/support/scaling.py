"""Who owns which partitions, as the dispatchers' metrics say it."""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

from shared.names import PARTITIONS
from tests.support.services import Service

LOOK_SECONDS = 0.05
_OWNED = re.compile(r'^restante_partition_owned\{partition="(\d+)"\} 1\.0$', re.MULTILINE)


async def owned(dispatcher: Service) -> set[int]:
    """The numbers of its partitions; none when it does not answer."""
    _, text = await dispatcher.get("/metrics")
    return {int(number) for number in _OWNED.findall(text)}


async def shares(dispatchers: Sequence[Service]) -> list[set[int]]:
    return list(await asyncio.gather(*(owned(dispatcher) for dispatcher in dispatchers)))


def even(found: Sequence[set[int]]) -> bool:
    """Each partition has one owner, and nobody more than a fair share."""
    fair = ceil(PARTITIONS / len(found))
    return sum(map(len, found)) == PARTITIONS == len(set().union(*found)) and max(map(len, found)) <= fair


@dataclass(slots=True)
class Spread:
    """How the partitions came to be even: after how many seconds, and the shares that were seen on the way."""

    seconds: float = 0.0
    seen: list[list[int]] = field(default_factory=list)


async def spread(dispatchers: Sequence[Service], *, seconds: float = 60.0) -> Spread:
    """Wait until the partitions are even among these."""
    began = time.monotonic()
    result = Spread()
    while True:
        found = await shares(dispatchers)
        counts = [len(share) for share in found]
        if not result.seen or counts != result.seen[-1]:
            result.seen.append(counts)
        result.seconds = time.monotonic() - began
        if even(found):
            return result
        assert result.seconds < seconds, f"not even within {seconds} s: {result.seen}"
        await asyncio.sleep(LOOK_SECONDS)
