"""`restante doctor`: asks broker, services and settings all that is known to go wrong, and says what to do about it.

It changes nothing and reads no message. What needs RabbitMQ's management API is left out where there is none.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict
from urllib.parse import unquote, urlsplit

from rich.text import Text

from shared.broker import BrokerAway, connect
from shared.broker import close as close_connection
from shared.cli import checks, queue_checks
from shared.cli.arguments import AsJson
from shared.cli.checks import Check, State, fail, ok, warn
from shared.cli.doors import gateway, secret
from shared.cli.failures import Failure
from shared.cli.link import Link, broker
from shared.cli.management import Management, Silent
from shared.cli.owners import owners
from shared.cli.printing import cells, note, out, plural, show_json, table, visible
from shared.cli.surroundings import CommandSettings, settings
from shared.names import CENSUS, DEAD_LETTERS, MESSAGES, UNROUTED, gateway_inbox

QUEUE_COLUMNS = (
    "name,type,durable,state,arguments,policy,effective_policy_definition,messages_ready,"
    "single_active_consumer_tag,messages_unacknowledged"
)
ANSWER_SECONDS = 5.0
STYLE = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def doctor(*, as_json: AsJson = False) -> None:
    """Check broker, exchanges, queues, policies, clocks, services and secret; say what to do. Changes nothing.

    Ends with 1 if a check failed, the broker that is away among them; with 0 if there are warnings only.
    """
    found = asyncio.run(_examine(settings()))
    if as_json:
        for check in found:
            show_json(asdict(check))
    else:
        grid = table("state", "check", "~what")
        for check in found:
            said = Text(visible(check.said, 1000))
            if check.remedy:
                said.append(f"\n→ {visible(check.remedy, 1000)}", "cyan")
            grid.add_row(Text(check.state.value, STYLE[check.state]), *cells(check.name), said)
        out().print(grid)
    failed, warned = (sum(check.state is state for check in found) for state in (State.FAIL, State.WARN))
    note(f"{plural(len(found), 'check')}: {failed} failed, {plural(warned, 'warning')}.")
    if failed:
        raise Failure(f"{plural(failed, 'check')} failed")


async def _examine(config: CommandSettings) -> list[Check]:
    return [check async for check in _checks(config)]


async def _checks(config: CommandSettings) -> AsyncIterator[Check]:
    try:
        await close_connection(await connect(config, "restante doctor"))
    except BrokerAway as err:
        yield fail("broker", str(err), "start it, or say with BROKER_URL where it is and who logs in")
    else:
        async with broker(config, "doctor") as link:
            async for check in _broker(config, link):
                yield check
    for check in (*await gateway(config), await secret(config)):
        yield check


async def _broker(config: CommandSettings, link: Link) -> AsyncIterator[Check]:
    product, version = link.product
    yield checks.version(product, version)
    yield await _account(config)
    async with Management(config.management_url, config.virtual_host) as management:
        try:
            async for check in _managed(config, link, management):
                yield check
        except Silent as err:
            said = f"{err}: alarms, clock, arguments, policies, owners are not checked"
            yield warn(
                "management", said, "RABBITMQ_MANAGEMENT_URL says where it is; the account needs a tag: monitoring"
            )
            yield await _exchanges_by_amqp(link)
    for check in await _services(link):
        yield check


async def _account(config: CommandSettings) -> Check:
    """On a connection of its own: during an alarm the broker stops reading one that publishes."""
    name = unquote(urlsplit(config.broker_url[0].get_secret_value()).username or "guest")
    async with broker(config, "doctor") as link:
        if not await link.has_exchange(MESSAGES):
            return ok("account", f"{name} may log in")
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                may_publish = await link.may_publish(MESSAGES)
        except TimeoutError:
            return fail("account", f"{name} publishes in vain: a memory or disk alarm?", "see the broker's log")
    if may_publish:
        return ok("account", f"{name} may publish")
    return ok("account", f"{name} may look, not publish: `publish` and `dead-letters requeue` are for another account")


async def _managed(config: CommandSettings, link: Link, management: Management) -> AsyncIterator[Check]:
    nodes = await management.nodes()
    for check in checks.alarms(nodes):
        yield check
    if management.ahead_seconds is not None:
        yield checks.clock("the broker", management.ahead_seconds)
    for check in checks.exchanges({name: await management.exchange(name) or None for name in checks.EXCHANGES}):
        yield check
    yield checks.bindings({name: await management.bound(name) for name in checks.BINDINGS})
    queues = await management.queues("", QUEUE_COLUMNS)
    version = link.product[1]
    for check in queue_checks.queues(queues, config.broker_queue_type, version, len(nodes)):
        yield check
    if not any(queue["name"].startswith(queue_checks.USER) for queue in queues):
        with suppress(Silent):
            for check in queue_checks.policies(await management.policies(), version):
                yield check
    gateways = sum(queue["name"].startswith(gateway_inbox("")) for queue in queues)
    if gateways:
        yield ok("gateways", f"{plural(gateways, 'gateway')} on the broker")
    else:
        yield fail("gateways", "none on this broker: nobody can connect", "start one: python -m gateway")
    if (census := await link.depth(CENSUS)) and census.consumers:
        unowned = owners({queue["name"]: queue for queue in queues}).unowned
        if unowned:
            said = f"{plural(len(unowned), 'partition')} without an owner, as of some seconds ago"
            yield warn("partitions", said, "look again; if it stays so, restart a dispatcher")
        else:
            yield ok("partitions", "each has its owner")


async def _exchanges_by_amqp(link: Link) -> Check:
    missing = [name for name in checks.EXCHANGES if not await link.has_exchange(name)]
    if missing:
        return fail("exchanges", f"missing: {', '.join(missing)}", checks.MAKE_THEM)
    return ok("exchanges", "all there; their arguments are not checked")


async def _services(link: Link) -> list[Check]:
    census = await link.depth(CENSUS)
    unrouted, dead = await link.depth(UNROUTED), await link.depth(DEAD_LETTERS)
    found: list[Check] = []
    if census is None:
        found.append(fail("dispatchers", "none ever ran on this broker", "start one: python -m dispatcher"))
    elif not census.consumers:
        found.append(fail("dispatchers", "none runs: what is published waits", "start one: python -m dispatcher"))
    else:
        found.append(ok("dispatchers", plural(census.consumers, "dispatcher")))
    if unrouted and unrouted.ready and census and census.consumers:
        said = f"{plural(unrouted.ready, 'message')} of new users wait"
        found.append(warn("unrouted", said, "look again; if they do not get fewer, see the dispatchers' logs"))
    if dead and dead.ready:
        remedy = "restante dead-letters list; then requeue or drop"
        found.append(warn("dead letters", f"{plural(dead.ready, 'message')} could not be delivered", remedy))
    return found
