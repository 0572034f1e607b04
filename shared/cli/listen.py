"""`restante listen`: a client at the keyboard, which shows each message as it comes and answers it as told."""

import asyncio
import signal
from typing import Annotated

import typer

from shared.cli.arguments import AsJson, User, json_value, seconds
from shared.cli.client import Answer, Client
from shared.cli.failures import Exit, Failure
from shared.cli.printing import note, plural
from shared.cli.surroundings import settings
from shared.cli.tokens import secret_of, signed

TOKEN_SECONDS = 24 * 3600.0


def listen(
    user: User,
    *,
    no_confirm: Annotated[bool, typer.Option("--no-confirm", help="Never confirm.")] = False,
    refuse: Annotated[
        str | None, typer.Option(metavar="REASON", help="Refuse each message: it becomes a dead letter.")
    ] = None,
    wait: Annotated[
        float | None, typer.Option(parser=seconds, metavar="TIME", help="Wait before confirming: 5, 1m.")
    ] = None,
    value: Annotated[
        str, typer.Option(metavar="JSON", help="Confirm with this value; it goes into the receipt.")
    ] = "null",
    count: Annotated[int | None, typer.Option(min=1, help="End after so many messages.")] = None,
    seen: Annotated[str, typer.Option(metavar="IDS", help="Ids handled earlier, with commas: confirmed unsent.")] = "",
    url: Annotated[str | None, typer.Option(help="The gateway (default: GATEWAY_URL).")] = None,
    token: Annotated[
        str | None, typer.Option(help="Log in with this token, not with one made from the secret.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Connect as USER, show each message as it comes, and confirm it. Ctrl-C ends it.

    Comes back by itself when the connection is lost, and then names what it has handled (`seen`).
    """
    if (no_confirm, refuse is not None, wait is not None).count(True) > 1:
        raise Failure("choose one of --no-confirm, --refuse and --wait", Exit.USAGE)
    if refuse == "":
        raise Failure("--refuse needs a reason", Exit.USAGE)
    config = settings()
    secret = secret_of(config) if token is None else ""
    client = Client(
        url or config.gateway_url,
        config.gateway_path,
        config.gateway_namespace,
        # A new one for each connection, so that listening never ends because a token did.
        token=lambda: token or signed(config, user, TOKEN_SECONDS, "*", secret),
        answer=Answer(never=no_confirm, refusal=refuse, after_seconds=wait or 0.0, value=json_value(value)),
        seen=[part for part in seen.split(",") if part],
        as_json=as_json,
    )
    asyncio.run(_until_stopped(client, count))
    note(f"{plural(client.received, 'message')} received, {client.answered:,} answered.")


async def _until_stopped(client: Client, count: int | None) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, client.stop)
    try:
        await client.run(count)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
