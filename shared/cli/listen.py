"""`restante listen`: a client at the keyboard, which shows each message as it comes and answers it as told."""

import asyncio
import signal
from typing import Annotated

import typer

from shared.cli.arguments import AsJson, User, is_address, json_value, seconds
from shared.cli.client import Answer, Client
from shared.cli.failures import Exit, Failure
from shared.cli.printing import note, plural
from shared.cli.surroundings import settings
from shared.cli.tokens import secret_of, signed, user_of
from shared.client.message import is_refusal

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
    if is_refusal(said := json_value(value)):
        raise Failure("a --value with a text `error` would refuse each message: say --refuse", Exit.USAGE)
    config = settings()
    if not is_address(address := url or config.gateway_url):
        code = Exit.USAGE if url else Exit.SETTING
        raise Failure(f"{address!r} is no address of a gateway (http://127.0.0.1:8000)", code)
    if token is not None and (other := user_of(config, token)) not in (None, user):
        raise Failure(f"the token is for {other}, not for {user}: it would take their messages", Exit.USAGE)
    secret = secret_of(config) if token is None else ""
    client = Client(
        address,
        config.gateway_path,
        config.gateway_namespace,
        # A new one for each connection, so that listening never ends because a token did.
        token=lambda: token or signed(config, user, TOKEN_SECONDS, "*", secret),
        answer=Answer(never=no_confirm, refusal=refuse, after_seconds=wait or 0.0, value=said),
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
