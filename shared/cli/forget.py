"""`restante forget`: deletes the queue of a user who will not come back, and what waits in it."""

import asyncio
from typing import Annotated

import typer

from shared.cli.arguments import AsJson, User
from shared.cli.asking import confirmed
from shared.cli.failures import Exit, Failure
from shared.cli.link import Depth, Link, broker
from shared.cli.printing import out, plural, show_json
from shared.cli.surroundings import settings
from shared.names import user_queue


def forget(
    user: User,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Even while the user has a session.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete USER's queue and the messages in it, after asking."""
    if as_json and not yes:
        raise Failure("--json needs --yes: nobody is there to ask", Exit.USAGE)
    deleted = asyncio.run(_forget(user, yes=yes, force=force))
    if as_json:
        show_json({"user": user, "deleted": deleted})
    else:
        out().print(f"[bold]{user_queue(user)}[/] is gone, with {plural(deleted, 'message')}.")


async def _forget(user: str, *, yes: bool, force: bool) -> int:
    async with broker(settings(), "forget") as link:
        depth = await _free(link, user, force=force)
        if not yes:
            lost = plural(depth.ready, "message") + (" and what is under way" if depth.consumers else "")
            await confirmed(f"Delete {user_queue(user)} and lose {lost}?")
            await _free(link, user, force=force)  # asked again, since a quorum queue knows no `if_unused`
        channel = await link.channel()
        answer = await channel.queue_delete(user_queue(user))
        return answer.message_count or 0


async def _free(link: Link, user: str, *, force: bool) -> Depth:
    depth = await link.depth(user_queue(user))
    if depth is None:
        raise Failure(f"{user} has no queue: nothing to forget")
    if depth.consumers and not force:
        queue = user_queue(user)
        raise Failure(f"{user} has a session (a dispatcher consumes {queue}): wait until it ends, or give --force")
    return depth
