"""`restante disconnect`: ends all sessions of a user, wherever they are; their clients stay away until told otherwise.

The order goes to whichever dispatcher owns the user, and may be lost with it: so it is given again while sessions
are left, and this command says what it saw, not what it hopes.
"""

import asyncio
from typing import Annotated

import typer
from pamqp.commands import Basic

from shared.cli.arguments import AsJson, User, seconds
from shared.cli.failures import Failure
from shared.cli.link import Link, broker
from shared.cli.printing import out, show_json
from shared.cli.surroundings import settings
from shared.names import SESSIONS_EXCHANGE, partition_of, sessions_queue, user_queue
from shared.publish import ConfirmedPublisher, Returned
from shared.wire import Lease, LeaseKind, encode_lease

LOOK_SECONDS = 0.25
AGAIN_SECONDS = 3.0
"""How often it looks whether the sessions are gone, and how often it gives the order."""

_TRANSIENT = 1


def disconnect(
    user: User,
    *,
    wait: Annotated[
        float, typer.Option("--wait", metavar="DURATION", parser=seconds, help="How long to wait for the end.")
    ] = "10s",  # type: ignore[assignment]  # typer parses the default too
    as_json: AsJson = False,
) -> None:
    """End all sessions of USER, on every gateway. What is published meanwhile waits.

    A stock client then stays away until its application calls connect(). Whoever has a valid token can come back.
    """
    served = asyncio.run(_disconnect(user, wait))
    if as_json:
        show_json({"user": user, "served": served})
    elif served:
        out().print(f"[bold]{user}[/] is away: no dispatcher serves them any more.")
    else:
        out().print(f"[bold]{user}[/] had no session that a dispatcher served. One that opens now stays.")


async def _disconnect(user: str, wait_seconds: float) -> bool:
    """Whether a dispatcher served the user at first. Raises `Failure` when one still does at the end."""
    async with broker(settings(), "disconnect") as link:
        queue = sessions_queue(partition_of(user))
        leases = await link.depth(queue)
        if leases is None:
            raise Failure(f"no queue {queue!r}: has a dispatcher ever run on this broker?")
        if not leases.consumers:
            raise Failure("no dispatcher runs, so nobody can end the sessions: start one, then say it again")
        served = await _served(link, user)
        publisher = await link.publisher()
        now = asyncio.get_running_loop().time
        end = now() + wait_seconds
        again = 0.0
        while True:
            if now() >= again:
                # Dropped by the broker when nobody reads it: an old order must not end a session of next week.
                await _order(publisher, user, max(end - now(), LOOK_SECONDS))
                again = now() + AGAIN_SECONDS
            if not await _served(link, user):
                return served
            if now() >= end:
                raise Failure(
                    f"a dispatcher still serves {user} after {wait_seconds:g} s: a session came anew, or its gateway "
                    "or dispatcher is in trouble, or DISPATCHER_LINGER_SECONDS is longer than that"
                )
            await asyncio.sleep(LOOK_SECONDS)


async def _order(publisher: ConfirmedPublisher, user: str, seconds_left: float) -> None:
    queue = sessions_queue(partition_of(user))
    properties = Basic.Properties(delivery_mode=_TRANSIENT, expiration=str(int(seconds_left * 1000)))
    body = encode_lease(Lease(kind=LeaseKind.EVICT, user=user))
    try:
        await publisher.publish(body, properties, exchange=SESSIONS_EXCHANGE, routing_key=queue, mandatory=True)
    except Returned as err:
        raise Failure(f"no queue {queue!r}: has a dispatcher ever run on this broker?") from err


async def _served(link: Link, user: str) -> bool:
    """A dispatcher consumes a user's queue while they have a session, and until the linger after the last is over."""
    depth = await link.depth(user_queue(user))
    return depth is not None and depth.consumers > 0
