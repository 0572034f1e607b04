"""`restante dead-letters`: what can never be delivered: looked at, put back under way, or thrown away."""

import asyncio
from typing import Annotated

import typer

from shared.cli import letter_drop, letter_show
from shared.cli.arguments import AsJson
from shared.cli.failures import EPILOG, Exit, Failure
from shared.cli.letter_reading import Choice, ForUser, WithReason, read, total
from shared.cli.letters import Letter
from shared.cli.link import broker
from shared.cli.printing import body_text, cells, note, plural, show, table
from shared.cli.surroundings import settings
from shared.names import MESSAGES, is_user_id
from shared.publish import ConfirmedPublisher, PublishFailed, Unanswered

UNLIMITED = 0

app = typer.Typer(
    help="Look at what could not be delivered, put it back under way, or drop it.",
    epilog=EPILOG,
    no_args_is_help=True,
)
app.command("show", epilog=EPILOG)(letter_show.show_letter)
app.command("drop", epilog=EPILOG)(letter_drop.drop)

WithId = Annotated[str | None, typer.Option("--id", help="Only those with this message id.")]


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
    letters, in_all = asyncio.run(_list(_choice(user, reason, message_id), limit))
    grid = table("user", "reason", "-attempts", "~id", "~detail", "~body")
    for letter in letters:
        shown = (letter.user, letter.reason, letter.attempts, letter.id, letter.detail, body_text(letter.body))
        grid.add_row(*cells(*shown))
    if letters or as_json:
        show([letter.as_json() for letter in letters], grid, as_json=as_json)
    note(f"{plural(len(letters), 'dead letter')} shown, {in_all:,} in all.")


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
    choice = _choice(user, reason, message_id)
    if (choice == Choice()) is not every:
        raise Failure("say which: --user, --reason, --id (together: all must fit), or --all", Exit.USAGE)
    moved: list[Letter] = []
    done = "would be requeued" if dry_run else "requeued"
    try:
        stuck = asyncio.run(_requeue(choice, moved, dry_run=dry_run))
    except BaseException:  # Ctrl-C too: what was done by then is done
        if moved:
            _show_moved(moved, done, as_json=as_json)
        raise
    _show_moved(moved, done, as_json=as_json)
    if stuck:
        raise Failure(
            f"{plural(stuck, 'dead letter')} left: without a valid user id there is nobody to send them to, and parts "
            "of a message that the broker takes no more are no message (`dead-letters show` says which they are)"
        )
    if choice.ids and not moved:
        raise Failure(f"not among the dead letters: {', '.join(choice.ids)}")


def _show_moved(moved: list[Letter], done: str, *, as_json: bool) -> None:
    grid = table("user", "reason", "~id")
    for letter in moved:
        grid.add_row(*cells(letter.user, letter.reason, letter.id))
    if moved:
        show([letter.as_json() for letter in moved], grid, as_json=as_json)
    note(f"{plural(len(moved), 'dead letter')} {done}.")


def _choice(user: str | None, reason: str | None, message_id: str | None) -> Choice:
    return Choice(user, reason, frozenset() if message_id is None else frozenset({message_id}))


async def _list(choice: Choice, limit: int) -> tuple[list[Letter], int]:
    async with broker(settings(), "dead-letters list") as link:
        in_all = await total(link)
        found: list[Letter] = []
        # With nothing to choose by, the first ones are all that is needed, and all that the broker need send.
        count = min(in_all, limit) if limit != UNLIMITED and choice == Choice() else in_all
        async for letter in read(await link.channel(), count):
            if letter in choice:
                found.append(letter)
            if len(found) == limit != UNLIMITED:
                break
        return found, in_all


async def _requeue(choice: Choice, moved: list[Letter], *, dry_run: bool) -> int:
    """Puts into `moved` what it has done; how many it had to leave."""
    stuck = 0
    async with broker(settings(), "dead-letters requeue") as link:
        reading, writing = await link.channel(), await link.publisher()
        async for letter in read(reading, await total(link)):
            if letter not in choice:
                continue
            if letter.part or not is_user_id(letter.user):
                stuck += 1
                continue
            if not dry_run:
                await _publish(writing, letter)
                await reading.basic_ack(letter.tag)
            moved.append(letter)
        await reading.close()
    return stuck


async def _publish(writing: ConfirmedPublisher, letter: Letter) -> None:
    try:
        await writing.publish(letter.body, letter.revived(), exchange=MESSAGES, routing_key=letter.user, mandatory=True)
    except PublishFailed as err:
        code = Exit.AWAY if isinstance(err, Unanswered) else Exit.NOT_DONE
        raise Failure(f"stopped at {letter.id or 'a letter without an id'} for {letter.user}: {err}", code) from err
