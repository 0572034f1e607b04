"""`restante top`: the longest queues, the dispatchers, the gateways and the rates, drawn anew until Ctrl-C."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from shared.cli.arguments import AsJson, seconds
from shared.cli.failures import Exit, Failure
from shared.cli.link import Link, broker
from shared.cli.management import Management, Silent
from shared.cli.owners import COLUMNS as OWNER_COLUMNS
from shared.cli.owners import SESSIONS, owners
from shared.cli.printing import out, show_json, visible
from shared.cli.surroundings import CommandSettings, settings
from shared.cli.top_view import GATEWAYS, MOST_GATEWAYS, USER_COLUMNS, USERS, GatewayRow, Moment, rate
from shared.names import CENSUS, DEAD_LETTERS, MESSAGES, UNROUTED

OTHER_LINES = 14
"""Of a picture, beside its users: heads, a few dispatchers and gateways."""

FEWEST_USERS = 3
BUSIEST_FIRST = "message_stats.ack_details.rate"


def top(
    *,
    once: Annotated[bool, typer.Option("--once", help="One moment, then end.")] = False,
    every: Annotated[
        float,
        typer.Option(
            "--every", metavar="TIME", parser=seconds, help="How often; RabbitMQ counts anew each 5 s, or 10."
        ),
    ] = "2s",  # type: ignore[assignment]  # typer parses the default too
    count: Annotated[int, typer.Option(min=1, help="How many users at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Watch users with the longest queues, gateways, dispatchers and rates. Ctrl-C ends it.

    Where stdout is no terminal, it shows one moment; with --json one on each line until it is ended. Without RabbitMQ's
    management API there are only the few numbers that AMQP tells.
    """
    config = settings()
    once = once or not (as_json or sys.stdout.isatty())
    watching = _watch(config, every, count, once=once, as_json=as_json)
    asyncio.run(watching if once else _until_stopped(watching))


async def _until_stopped(watching: Coroutine[None, None, None]) -> None:
    task = asyncio.ensure_future(watching)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    try:
        await asyncio.wait({task})
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    if not task.cancelled():
        task.result()


async def _watch(config: CommandSettings, every: float, count: int, *, once: bool, as_json: bool) -> None:
    if once or as_json:
        async with broker(config, "top") as link, Management(config.management_url, config.virtual_host) as management:
            while True:
                moment = await look(link, management)
                if as_json:
                    show_json(moment.answer(count))
                else:
                    out().print(moment.shown(count))
                if once:
                    return
                await asyncio.sleep(every)
    with Live(screen=True, auto_refresh=False, console=out()) as live:
        while True:  # a broker that restarts is what one wants to watch
            try:
                await _draw(config, live, every, count)
            except Failure as err:
                if err.code is not Exit.AWAY:
                    raise
                live.update(Text(f"{visible(str(err))}\nTried again until Ctrl-C.", "red"), refresh=True)
                await asyncio.sleep(every)


async def _draw(config: CommandSettings, live: Live, every: float, count: int) -> None:
    async with broker(config, "top") as link, Management(config.management_url, config.virtual_host) as management:
        while True:
            moment = await look(link, management)
            fitting = max(FEWEST_USERS, live.console.height - OTHER_LINES)
            foot = Text("Ctrl-C ends it; numbers may be 5 to 10 s old", "dim")
            live.update(Group(moment.shown(min(count, fitting)), Text(), foot), refresh=True)
            await asyncio.sleep(every)


async def look(link: Link, management: Management) -> Moment:
    found = Moment(broker=" ".join(link.product).strip())
    found.dispatchers = depth.consumers if (depth := await link.depth(CENSUS)) else None
    found.unrouted = depth.ready if (depth := await link.depth(UNROUTED)) else None
    found.dead_letters = depth.ready if (depth := await link.depth(DEAD_LETTERS)) else None
    try:
        told, users = await management.longest(USERS, USER_COLUMNS, "messages")
        if users > len(told):
            told += (await management.longest(USERS, USER_COLUMNS, BUSIEST_FIRST))[0]
        found.take_users(told, users)
        found.published = rate(await management.exchange(MESSAGES), "publish_in")
        found.gateways = await _gateways(management)
        leases = {queue["name"]: queue for queue in await management.queues(SESSIONS, OWNER_COLUMNS)}
        found.owners = owners(leases).owners
    except Silent as err:
        found = Moment(found.broker, found.dispatchers, found.unrouted, found.dead_letters, management=str(err))
    return found


async def _gateways(management: Management) -> list[GatewayRow]:
    """Whose inbox it is, RabbitMQ tells only to who asks for one queue; one that is gone by then is passed over."""
    names = sorted(queue["name"] for queue in await management.queues(GATEWAYS, "name"))[:MOST_GATEWAYS]
    told = [await management.queue(name) for name in names]
    return [GatewayRow.of(queue) for queue in told if queue]
