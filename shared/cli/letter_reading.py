"""Reading the dead letters without taking them away, and choosing some of them.

They are consumed without an ack: closing the channel, or the end of this process, puts them back in their places.
(A quorum queue puts what was read with a limit behind what had been read and put back before.)
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated

import typer
from aiormq.abc import AbstractChannel, DeliveredMessage

from shared.cli.arguments import user_id
from shared.cli.failures import Failure
from shared.cli.letters import Letter
from shared.cli.link import Link
from shared.message import Reason
from shared.names import DEAD_LETTERS

ARRIVAL_SECONDS = 5.0

ForUser = Annotated[str | None, typer.Option("--user", parser=user_id, metavar="USER", help="Only those for USER.")]
WithReason = Annotated[Reason | None, typer.Option("--reason", help="Only those with this reason.")]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant; None, and no ids: any."""

    user: str | None = None
    reason: str | None = None
    ids: frozenset[str] = field(default=frozenset())

    def __contains__(self, letter: Letter) -> bool:
        wanted = ((self.user, letter.user), (self.reason, letter.reason))
        return all(want is None or want == has for want, has in wanted) and (not self.ids or letter.id in self.ids)


async def total(link: Link) -> int:
    """How many letters there are, without those that somebody else is reading."""
    depth = await link.depth(DEAD_LETTERS)
    if depth is None:
        raise Failure(f"there is no queue {DEAD_LETTERS}: has a dispatcher ever run on this broker?")
    return depth.ready


async def read(channel: AbstractChannel, count: int) -> AsyncIterator[Letter]:
    """The `count` oldest letters, which the channel then holds; fewer if somebody else has taken some."""
    arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()

    async def keep(message: DeliveredMessage) -> None:
        arrived.put_nowait(message)

    if count == 0:
        return
    await channel.basic_qos(prefetch_count=count if count < 2**16 else 0)
    await channel.basic_consume(DEAD_LETTERS, keep)
    for _ in range(count):
        try:
            message = await asyncio.wait_for(arrived.get(), ARRIVAL_SECONDS)
        except TimeoutError:
            break
        yield Letter.of(message)
