"""`restante dead-letters drop`: throws away the dead letters that were named and shown, and no other.

All letters are held unacked from the moment they are shown until the end, and only those shown are acked, one by one:
so what somebody else does meanwhile changes nothing of the choice, and whatever ends this process early puts all that
was not acked back in its place.
"""

import asyncio
from typing import Annotated

import typer

from shared.cli.arguments import AsJson
from shared.cli.asking import confirmed
from shared.cli.failures import Exit, Failure
from shared.cli.letter_reading import Choice, ForUser, WithReason, read, total
from shared.cli.letters import Letter
from shared.cli.link import broker
from shared.cli.printing import body_text, cells, note, out, plural, show_json, table
from shared.cli.surroundings import settings

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Message ids.", show_default=False)]


def drop(
    ids: Ids = None,
    *,
    user: ForUser = None,
    reason: WithReason = None,
    every: Annotated[bool, typer.Option("--all", help="All of them, or all that --user and --reason leave.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Throw dead letters away for good, after showing them and asking. The others stay, in their order.

    With --json they are printed whole before they are dropped, so that they can be kept in a file.
    """
    if not ids and not every:
        raise Failure("say which: ids, or --all (both narrowed by --user and --reason)", Exit.USAGE)
    if ids and every:
        raise Failure("either ids or --all, not both", Exit.USAGE)
    if as_json and not yes:
        raise Failure("--json needs --yes: nobody is there to ask", Exit.USAGE)
    choice = Choice(user, reason, frozenset(ids or ()))
    dropped = asyncio.run(_drop(choice, yes=yes, as_json=as_json))
    note(f"{plural(len(dropped), 'dead letter')} dropped.")
    if missing := choice.ids - {letter.id for letter in dropped}:
        raise Failure(f"not among the dead letters: {', '.join(sorted(missing))}")


async def _drop(choice: Choice, *, yes: bool, as_json: bool) -> list[Letter]:
    async with broker(settings(), "dead-letters drop") as link:
        reading = await link.channel()
        chosen = [letter async for letter in read(reading, await total(link)) if letter in choice]
        if chosen:
            _show(chosen, as_json=as_json)  # before anything is gone: a full disk or a closed pipe ends this here
            if not yes:
                await confirmed(f"Drop {plural(len(chosen), 'dead letter')} for good?")
            for letter in chosen:
                await reading.basic_ack(letter.tag)
        await reading.close()  # answered only after the acks were taken
        return chosen


def _show(letters: list[Letter], *, as_json: bool) -> None:
    if as_json:
        for letter in letters:
            show_json(letter.whole())
        return
    grid = table("user", "reason", "-attempts", "~id", "~detail", "~body")
    for letter in letters:
        shown = (letter.user, letter.reason, letter.attempts, letter.id, letter.detail, body_text(letter.body))
        grid.add_row(*cells(*shown))
    out().print(grid)
