"""`restante dead-letters`: what can never be delivered, and its way back.

Reading takes nothing away: letters are consumed without an ack, and closing the channel puts them back in place.
(A quorum queue puts what was read with a limit behind what had been read and put back before.)
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import typer
from aiormq.abc import AbstractChannel, DeliveredMessage

from shared.cli.arguments import AsJson, user_id
from shared.cli.failures import EPILOG, Exit, Failure
from shared.cli.letters import Letter
from shared.cli.link import Link, broker
from shared.cli.printing import body_text, cells, note, plural, show, table
from shared.cli.surroundings import settings
from shared.message import Reason
from shared.names import DEAD_LETTERS, MESSAGES, is_user_id

ARRIVAL_SECONDS = 5.0
UNLIMITED = 0

app = typer.Typer(
    help="List what could not be delivered, or put it back under way.", epilog=EPILOG, no_args_is_help=True
)

ForUser = Annotated[str | None, typer.Option("--user", parser=user_id, metavar="USER", help="Only those for USER.")]
WithReason = Annotated[Reason | None, typer.Option("--reason", help="Only those with this reason.")]
WithId = Annotated[str | None, typer.Option("--id", help="Only those with this message id.")]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant; None: any."""

    user: str | None = None
    reason: str | None = None
    id: str | None = None

    def __contains__(self, letter: Letter) -> bool:
        wanted = ((self.user, letter.user), (self.reason, letter.reason), (self.id, letter.id))
        return all(want is None or want == has for want, has in wanted)


@app.command("list", epilog=EPILOG)
def list_letters(
    *,
    user: ForUser = None,
    reason: WithReason = None,
    message_id: WithId = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many, the oldest first; 0: all.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show what could not be delivered, and why. Takes nothing away."""
    letters, total = asyncio.run(_list(Choice(user, reason, message_id), limit))
    grid = table("user", "reason", "-attempts", "~id", "~detail", "~body")
    for letter in letters:
        shown = (letter.user, letter.reason, letter.attempts, letter.id, letter.detail, body_text(letter.body))
        grid.add_row(*cells(*shown))
    if letters or as_json:
        show([letter.as_json() for letter in letters], grid, as_json=as_json)
    note(f"{plural(len(letters), 'dead letter')} shown, {total:,} in all.")


@app.command("requeue", epilog=EPILOG)
def requeue(
    *,
    user: ForUser = None,
    reason: WithReason = None,
    message_id: WithId = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish dead letters again to their users, oldest first, at the end of their queues.

    If this is ended in the middle, the letter under way may be both published and still here.
    """
    choice = Choice(user, reason, message_id)
    if (choice == Choice()) is not every:
        raise Failure("say which: --user, --reason, --id (together: all must fit), or --all", Exit.USAGE)
    moved, stuck = asyncio.run(_requeue(choice, dry_run=dry_run))
    done = "would be requeued" if dry_run else "requeued"
    grid = table("user", "reason", "~id")
    for letter in moved:
        grid.add_row(*cells(letter.user, letter.reason, letter.id))
    if moved or as_json:
        show([letter.as_json() for letter in moved], grid, as_json=as_json)
    note(f"{plural(len(moved), 'dead letter')} {done}.")
    if stuck:
        raise Failure(f"{plural(stuck, 'dead letter')} left: without a valid user id there is nobody to send them to")


async def _list(choice: Choice, limit: int) -> tuple[list[Letter], int]:
    async with broker(settings(), "dead-letters list") as link:
        total = await _total(link)
        found: list[Letter] = []
        # With nothing to choose by, the first ones are all that is needed, and all that the broker need send.
        count = min(total, limit) if limit != UNLIMITED and choice == Choice() else total
        async for letter in _read(await link.channel(), count):
            if letter in choice:
                found.append(letter)
            if len(found) == limit != UNLIMITED:
                break
        return found, total


async def _requeue(choice: Choice, *, dry_run: bool) -> tuple[list[Letter], int]:
    moved: list[Letter] = []
    stuck = 0
    async with broker(settings(), "dead-letters requeue") as link:
        reading, writing = await link.channel(), await link.publisher()
        async for letter in _read(reading, await _total(link)):
            if letter not in choice:
                continue
            if not is_user_id(letter.user):
                stuck += 1
                continue
            if not dry_run:
                await writing.publish(
                    letter.body, letter.revived(), exchange=MESSAGES, routing_key=letter.user, mandatory=True
                )
                await reading.basic_ack(letter.tag)
            moved.append(letter)
        await reading.close()
    return moved, stuck


async def _total(link: Link) -> int:
    depth = await link.depth(DEAD_LETTERS)
    if depth is None:
        raise Failure(f"there is no queue {DEAD_LETTERS}: has a dispatcher ever run on this broker?")
    return depth.ready


async def _read(channel: AbstractChannel, count: int) -> AsyncIterator[Letter]:
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
