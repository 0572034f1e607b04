"""`restante inspect USER`: where a user's messages are and who serves them, without taking any of them.

Never by basic.get: it would take a message from the middle of a queue that a dispatcher consumes.
"""

import asyncio
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from rich.text import Text

from shared.cli.arguments import AsJson, MaybeUser
from shared.cli.link import Depth, Link, broker
from shared.cli.management import Management, Silent
from shared.cli.owners import look
from shared.cli.presence import presence
from shared.cli.printing import facts, plural, show, visible
from shared.cli.surroundings import CommandSettings, settings
from shared.names import CENSUS, UNROUTED, gateway_inbox, partition_of, sessions_queue, user_queue


@dataclass(slots=True)
class Findings:
    """None where nobody could tell: without the management API, or without the queue."""

    user: str
    queue: str
    partition: int
    exists: bool = False
    ready: int | None = None
    consumers: int | None = None
    unacked: int | None = None
    queue_type: str | None = None
    dispatcher: dict[str, Any] | None = None
    dispatchers: int | None = None
    partition_owner: str | None = None
    partition_leases: int | None = None
    sessions: list[dict[str, Any]] | None = None
    window: int | None = None
    sessions_unknown: str | None = None
    unrouted: int | None = None
    management: str | None = None


def inspect(user: MaybeUser = None, *, as_json: AsJson = False) -> None:
    """Show where USER's messages are and which dispatcher serves them; without USER, who owns which partitions."""
    config = settings()
    if user is None:
        overview = asyncio.run(look(config))
        show(overview.answer(), overview.shown(), as_json=as_json)
        return
    findings = asyncio.run(_find(config, user))
    show(asdict(findings), facts(*_rows(findings)), as_json=as_json)


async def _find(config: CommandSettings, user: str) -> Findings:
    partition = partition_of(user)
    found = Findings(user, user_queue(user), partition)
    async with broker(config, "inspect") as link:
        if (queue := await link.depth(found.queue)) is not None:
            found.exists, found.ready, found.consumers = True, queue.ready, queue.consumers
        found.dispatchers = _consumers(await link.depth(CENSUS))
        found.unrouted = _ready(await link.depth(UNROUTED))
        if found.dispatchers:
            await _ask_dispatcher(link, found)
        await _ask_management(config, found)
    return found


async def _ask_dispatcher(link: Link, found: Findings) -> None:
    told = await presence(link, found.user)
    found.window, found.sessions_unknown = told.window, told.unknown
    if told.sessions is not None:
        found.sessions = [{**asdict(session), "address": None} for session in told.sessions]


async def _ask_management(config: CommandSettings, found: Findings) -> None:
    async with Management(config.management_url, config.virtual_host) as management:
        try:
            queue = await management.queue(found.queue)
            if found.exists:
                found.unacked = queue.get("messages_unacknowledged")
                found.queue_type = queue.get("type")
                found.dispatcher = next(iter(await management.consumers(queue)), None)
            leases = await management.queue(sessions_queue(found.partition))
            found.partition_leases = leases.get("messages_unacknowledged")
            owners = [consumer for consumer in await management.consumers(leases) if consumer["active"]]
            found.partition_owner = owners[0]["name"] if owners else None
            for session in found.sessions or []:
                inbox = await management.queue(gateway_inbox(session["gateway"]))
                session["address"] = (inbox.get("owner_pid_details") or {}).get("peer_host")
        except Silent as err:
            found.management = str(err)


def _consumers(depth: Depth | None) -> int | None:
    return None if depth is None else depth.consumers


def _ready(depth: Depth | None) -> int | None:
    return None if depth is None else depth.ready


def _rows(found: Findings) -> list[tuple[str, str | Text]]:
    rows: list[tuple[str, str | Text]] = [("user", Text.assemble((found.user, "bold"), "  ", _presence(found)))]
    if found.exists:
        rows.append(("queue", found.queue + (f"  ({found.queue_type})" if found.queue_type else "")))
        rows.append(("waiting", plural(found.ready or 0, "message")))
        if found.unacked is not None:
            rows.append(("under way", f"{plural(found.unacked, 'message')} sent and not confirmed, some seconds ago"))
        if found.dispatcher is not None:
            who = found.dispatcher
            rows.append(("consumer", f"{who['name']}  from {who['address']}"))
    else:
        rows.append(("queue", f"{found.queue} does not exist: it is made by the first message or the first session"))
    rows += [("session", _session(session)) for session in found.sessions or []]
    if found.sessions == []:
        rows.append(("sessions", "none"))
    if found.sessions_unknown is not None:
        rows.append(("sessions", f"unknown: {found.sessions_unknown}"))
    if found.window is not None:
        rows.append(("window", f"{plural(found.window, 'message')} unconfirmed at most"))
    if found.unrouted:
        rows.append(("unrouted", f"{plural(found.unrouted, 'message')} of new users wait for a dispatcher"))
    rows.append(("partition", _partition(found)))
    if found.management is not None:
        rows.append(("unknown", f"what is under way and who consumes: {found.management}"))
    return rows


def _presence(found: Findings) -> Text:
    if found.consumers:
        return Text("a dispatcher serves them: they have a session, or just had one", "green")
    if found.dispatchers == 0:
        return Text("nobody serves them: no dispatcher runs", "red")
    return Text("away: what is published waits", "yellow")


def _session(session: dict[str, Any]) -> str:
    since = datetime.fromtimestamp(session["opened_at"]).astimezone().isoformat(" ", "seconds")
    where = f" at {session['address']}" if session["address"] else ""
    unconfirmed = plural(session["unconfirmed"], "message")
    return f"{session['session']} on gateway {session['gateway']}{where}, since {since}, {unconfirmed} unconfirmed"


def _partition(found: Findings) -> str:
    if found.dispatchers is None:
        return f"{found.partition}: its queue does not exist, so no dispatcher ever ran here"
    said = f"{found.partition}, consumed by {plural(found.dispatchers, 'dispatcher')}"
    if found.partition_owner:
        said += f", owned by {visible(found.partition_owner)}"
    if found.partition_leases is not None:
        said += f"; {plural(found.partition_leases, 'lease')} of all its users"
    return said
