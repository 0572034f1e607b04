"""`restante queues`: all queues of users, the fullest first; those that nobody needs any more, and their removal.

Only RabbitMQ's management API knows them all. Its numbers may be five seconds old, so before it deletes a queue this
command has the broker check again, in the same step: a queue with a message or a consumer is never deleted.
"""

import asyncio
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import aiormq
import typer

from shared.cli.arguments import AsJson, seconds
from shared.cli.failures import Exit, Failure
from shared.cli.link import Link, broker
from shared.cli.management import Management, Silent
from shared.cli.printing import cells, note, out, plural, show_json, table
from shared.cli.surroundings import CommandSettings, settings
from shared.names import is_user_id

PREFIX = "user."


@dataclass(slots=True)
class UserQueue:
    """None where RabbitMQ does not say: a queue that is just made, or in trouble; a quorum queue's idle time."""

    user: str
    ready: int | None
    unacked: int | None
    consumers: int | None
    type: str
    state: str
    idle_since: str | None

    @classmethod
    def of(cls, told: dict[str, Any]) -> "UserQueue":
        return cls(
            told["name"].removeprefix(PREFIX),
            told.get("messages_ready"),
            told.get("messages_unacknowledged"),
            told.get("consumers"),
            told.get("type", "classic"),
            told.get("state", "unknown"),
            told.get("idle_since"),
        )

    @property
    def size(self) -> int:
        return (self.ready or 0) + (self.unacked or 0)

    def idle_seconds(self, now: datetime) -> float | None:
        if self.idle_since is None:
            return None
        since = datetime.fromisoformat(self.idle_since)
        return (now - (since if since.tzinfo else since.replace(tzinfo=UTC))).total_seconds()


def queues(
    *,
    idle: Annotated[
        float | None,
        typer.Option(parser=seconds, metavar="TIME", help="Only those without a consumer and idle for so long: 30d."),
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete those of them that are empty, after asking.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the queues of all users, the fullest first; with --idle --delete, remove those that nobody needs.

    "Idle since" is RabbitMQ's: publishing, consuming and looking (`restante inspect`) end it, and so does a restart of
    the broker. It does not tell it of quorum queues, and cannot delete one on condition that it is empty: those are
    left alone.
    """
    if delete and idle is None:
        raise Failure("--delete needs --idle", Exit.USAGE)
    if delete and as_json and not yes:
        raise Failure("--json needs --yes: nobody is there to ask", Exit.USAGE)
    config = settings()
    found = asyncio.run(_list(config))
    if idle is not None:
        found = _idle(found, idle)
    found.sort(key=lambda queue: (-queue.size, queue.user))
    if not delete:
        _show(found, as_json=as_json)
        return
    empty = [queue for queue in found if queue.size == 0]
    if not as_json:
        _show(found, as_json=False)
        if empty and not yes:
            typer.confirm(f"Delete {plural(len(empty), 'empty queue')}?", abort=True)
    deleted = asyncio.run(_delete(config, empty)) if empty else []
    if as_json:
        for queue in found:
            show_json({**asdict(queue), "deleted": queue.user in deleted})
    note(f"{plural(len(deleted), 'queue')} deleted, {plural(len(found) - len(deleted), 'idle queue')} left.")


async def _list(config: CommandSettings) -> list[UserQueue]:
    async with Management(config.management_url, config.virtual_host) as management:
        try:
            told = await management.queues(PREFIX)
        except Silent as err:
            raise Failure(
                f"no list of queues: {err} (RABBITMQ_MANAGEMENT_URL says where RabbitMQ's management API is)", Exit.AWAY
            ) from err
    found = [UserQueue.of(queue) for queue in told]
    return [queue for queue in found if is_user_id(queue.user)]  # others are none of ours to delete


def _idle(found: list[UserQueue], seconds: float) -> list[UserQueue]:
    """One whose idle time nobody tells is not known to be idle."""
    now = datetime.now(UTC)
    unused = [queue for queue in found if queue.consumers == 0]
    unknown = [queue for queue in unused if queue.idle_since is None]
    if unknown:
        note(f"{plural(len(unknown), 'queue')} without a consumer left out: RabbitMQ does not say since when.")
    return [queue for queue in unused if (queue.idle_seconds(now) or 0) >= seconds]


async def _delete(config: CommandSettings, empty: list[UserQueue]) -> list[str]:
    """The users whose queues are gone."""
    async with broker(config, "queues") as link:
        return [queue.user for queue in empty if await _deleted(link, queue)]


async def _deleted(link: Link, queue: UserQueue) -> bool:
    if queue.type != "classic":  # the broker would end the connection: it knows no condition there
        return False
    channel = await link.channel()
    try:
        await channel.queue_delete(PREFIX + queue.user, if_unused=True, if_empty=True)
    except aiormq.exceptions.ChannelPreconditionFailed:
        note(f"{PREFIX}{queue.user} is left: it was used just now.")
        return False
    await channel.close()
    return True


def _show(found: list[UserQueue], *, as_json: bool) -> None:
    if as_json:
        for queue in found:
            show_json(asdict(queue))
        return
    grid = table("~user", "-ready", "-unacked", "-consumers", "type", "state", "idle since")
    for queue in found:
        since = "" if queue.idle_since is None else queue.idle_since[:19].replace("T", " ")
        numbers = ("?" if n is None else n for n in (queue.ready, queue.unacked, queue.consumers))
        grid.add_row(*cells(queue.user, *numbers, queue.type, queue.state, since or "?"))
    out().print(grid)
    note(f"{plural(len(found), 'queue')}, {plural(sum(queue.size for queue in found), 'message')}.")
