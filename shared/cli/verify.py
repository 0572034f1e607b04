"""`restante verify`: whether what the services count adds up, in each, between them, and with the broker."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from shared.cli import pages
from shared.cli.arguments import AsJson
from shared.cli.failures import Exit, Failure
from shared.cli.management import Management, Silent
from shared.cli.printing import Json, plural, show, table, visible
from shared.cli.sums import Broker, Check, Reading, Verdict, checks, merged
from shared.cli.surroundings import CommandSettings, settings

LOOKS = 12
LOOK_SECONDS = 1.0
"""What moves may differ for a moment, and RabbitMQ's figures for as long as it takes to count them anew: five seconds,
or ten with deploy/rabbitmq. Only what differs for longer is told."""

COLUMNS = "name,messages_unacknowledged,message_stats.ack"
_STYLES = {Verdict.FITS: "green", Verdict.DIFFERS: "bold red", Verdict.UNKNOWN: "yellow"}


def verify(
    services: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ADDRESS]...",
            help="Where dispatchers and gateways serve /metrics, all of them; a name with several addresses stands for "
            "all of these. Default: METRICS_URLS, else this machine's ports 8001 and 8002.",
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Compare what dispatchers, gateways and RabbitMQ count: does everything that was delivered add up?

    Exit code 1 if something does not fit for twelve seconds. A service that restarts counts from 0 again, so what two
    services count may then not fit any more; what each counts for itself, and what is held right now, always must.
    """
    config = settings()
    found = asyncio.run(_look(config, services or config.metrics_addresses))
    answer: Json = {"fits": _fits(found), "checks": [_told(check) for check in found]}
    show(answer, _shown(found), as_json=as_json)
    if not _fits(found):
        raise typer.Exit(Exit.NOT_DONE)


async def _look(config: CommandSettings, urls: Sequence[str]) -> list[Check]:
    wanted = await pages.addresses(urls)
    looks: list[list[Check]] = []
    while True:
        looks.append(checks(await _read(config, wanted)))
        found = merged(looks)
        if _fits(found) or len(looks) == LOOKS:
            return found
        await asyncio.sleep(LOOK_SECONDS)


async def _read(config: CommandSettings, wanted: Sequence[str]) -> Reading:
    before = await pages.read(wanted)
    if not before.gateways and not before.dispatchers:
        raise Failure(f"no service answers: {', '.join(wanted)}", Exit.AWAY)
    middle = await pages.read([page.address for page in before.dispatchers])
    after = await pages.read([page.address for page in before.gateways])
    silent = [*before.silent, *middle.silent, *after.silent]
    broker, why = await _ask_broker(config)
    return Reading(before.gateways, middle.dispatchers, after.gateways, broker, why, silent)


async def _ask_broker(config: CommandSettings) -> tuple[Broker | None, str]:
    async with Management(config.management_url, config.virtual_host) as management:
        try:
            users = await management.queues("user.", COLUMNS)
            leases = await management.queues("sessions.", COLUMNS)
        except Silent as err:
            return None, str(err)
    acks = sum((queue.get("message_stats") or {}).get("ack", 0) for queue in users)
    unacked, leased = (sum(q.get("messages_unacknowledged") or 0 for q in queues) for queues in (users, leases))
    return Broker(unacked, leased, acks), ""


def _fits(found: Sequence[Check]) -> bool:
    return not any(check.verdict is Verdict.DIFFERS for check in found)


def _told(check: Check) -> Json:
    return {name: value for name, value in asdict(check).items() if name != "now"}


def _shown(found: Sequence[Check]) -> RenderableType:
    grid = table("verdict", "what", "~sum")
    for check in found:
        verdict = Text(check.verdict.value, _STYLES[check.verdict])
        grid.add_row(verdict, Text(visible(check.name)), Text(visible(check.sum)))
    wrong = [check for check in found if check.verdict is Verdict.DIFFERS]
    unclear = [check for check in found if check.verdict is Verdict.UNKNOWN and check.means]
    said = [Text(f"\n{visible(check.name)}: {check.means}.") for check in (*wrong, *unclear)]
    end = f"\n{plural(len(wrong), 'sum')} did not fit." if wrong else "\nEverything fits."
    return Group(grid, *said, Text(end, "bold red" if wrong else "green"))
