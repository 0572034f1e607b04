"""`restante publish`: puts messages on the broker as any publisher does, persistent and confirmed."""

import asyncio
import json
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic
from rich.text import Text

from shared.cli.arguments import AsJson, MaybeUser, json_bytes, seconds
from shared.cli.failures import Exit, Failure
from shared.cli.lines import BadLine, Defaults, check
from shared.cli.link import Link, broker
from shared.cli.printing import Json, cells, note, out, plural, show, show_json, table, visible
from shared.cli.publish_file import publish_file
from shared.cli.surroundings import CommandSettings, settings
from shared.names import MESSAGES, RECEIPTS

Message = tuple[bytes, Basic.Properties]

NO_TEXT = "the data is no UTF-8 text: --binary-file sends bytes as they are"


def publish(
    user: MaybeUser = None,
    body: Annotated[str | None, typer.Argument(metavar="JSON", help="The data; '-' reads it from stdin.")] = None,
    *,
    message_id: Annotated[str | None, typer.Option("--id", help="Its identity (default: a fresh one).")] = None,
    message_type: Annotated[str, typer.Option("--type", help="Free text for the application.")] = "",
    text: Annotated[bool, typer.Option("--text", help="The data is text, not JSON.")] = False,
    binary_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Send this file's bytes.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Send each line of it, a JSON object (see below); '-': stdin."),
    ] = None,
    ttl: Annotated[
        float | None, typer.Option(parser=seconds, metavar="TIME", help="The broker drops it after this.")
    ] = None,
    receipt: Annotated[bool, typer.Option("--receipt", help="Wait until it is settled, and show how.")] = False,
    count: Annotated[int, typer.Option(min=1, help="Publish it so many times; ids end in -1, -2, ...")] = 1,
    as_json: AsJson = False,
) -> None:
    """Publish a message for USER; done once the broker has confirmed that it holds it.

    A line of --file is {"user": ..., "data": ...}, or with "text" or "base64" instead of "data"; it may also have "id",
    "type", "ttl" (seconds) and "content_type". USER, --id (the line's number is put behind it), --type and --ttl hold
    for lines that name none. All lines are checked before the first is sent.
    """
    if file is not None:
        if body is not None or binary_file is not None or text or receipt or count != 1:
            raise Failure("--file goes with USER, --id, --type, --ttl and --json only", Exit.USAGE)
        defaults = Defaults(user, message_id or secrets.token_hex(8), message_type, ttl)
        publish_file(settings(), file, defaults, as_json=as_json)
        return
    if user is None:
        raise Failure("say for whom: USER, or --file", Exit.USAGE)
    config = settings()
    data, content_type = _data(body, binary_file, text=text)
    first = message_id or secrets.token_hex(8)
    try:
        check(first if count == 1 else f"{first}-{count}", message_type)
    except BadLine as err:
        raise Failure(f"the message cannot be sent: {err}", Exit.USAGE) from err
    messages = [
        (
            data,
            Basic.Properties(
                content_type=content_type,
                delivery_mode=2,
                message_id=first if count == 1 else f"{first}-{number}",
                message_type=message_type,
                timestamp=datetime.now(UTC),
                expiration=None if ttl is None else str(int(ttl * 1000)),
            ),
        )
        for number in range(1, count + 1)
    ]
    asyncio.run(_publish(config, user, messages, receipt=receipt, as_json=as_json))


def _data(body: str | None, file: Path | None, *, text: bool) -> tuple[bytes, str]:
    if (body is None) == (file is None):
        raise Failure("give either the data or --binary-file", Exit.USAGE)
    if file is not None:
        return file.read_bytes(), "application/octet-stream"
    try:
        said = sys.stdin.read() if body == "-" else body or ""
    except UnicodeDecodeError as err:
        raise Failure(NO_TEXT, Exit.USAGE) from err
    if text:
        try:
            return said.encode(), "text/plain"
        except UnicodeEncodeError as err:  # bytes that are no text, as Python hands them on
            raise Failure(NO_TEXT, Exit.USAGE) from err
    return json_bytes(said), "application/json"


async def _publish(
    config: CommandSettings, user: str, messages: list[Message], *, receipt: bool, as_json: bool
) -> None:
    async with broker(config, "publish") as link:
        receipts = await _receipts(await link.channel()) if receipt else None
        publisher = await link.publisher()
        for body, properties in messages:
            if receipts is not None:
                properties.reply_to, properties.correlation_id = receipts[0], properties.message_id
            await publisher.publish(body, properties, exchange=MESSAGES, routing_key=user, mandatory=True)
        ids = [str(properties.message_id) for _, properties in messages]
        if receipts is not None:
            note(f"{plural(len(ids), 'message')} for {user} published; waiting for what becomes of it (Ctrl-C ends it)")
            await _show_receipts(link, receipts[1], set(ids), as_json=as_json)
        elif as_json:
            show(
                [{"id": id_, "user": user, "bytes": len(body)} for id_, (body, _) in zip(ids, messages, strict=True)],
                "",
                as_json=True,
            )
        else:
            held = ids[0] if len(ids) == 1 else f"{len(ids):,} messages, {ids[0]} to {ids[-1]},"
            out().print(Text(f"The broker holds {visible(held)} for {user}."), soft_wrap=True)


async def _receipts(channel: AbstractChannel) -> tuple[str, asyncio.Queue[DeliveredMessage]]:
    """A queue of our own that lasts as long as the command: a receipt that comes later has nowhere to go."""
    name = f"receipts.{secrets.token_hex(8)}"
    arrived: asyncio.Queue[DeliveredMessage] = asyncio.Queue()

    async def keep(message: DeliveredMessage) -> None:
        arrived.put_nowait(message)

    await channel.queue_declare(name, exclusive=True)
    await channel.queue_bind(name, RECEIPTS, name)
    await channel.basic_consume(name, keep, no_ack=True)
    return name, arrived


async def _show_receipts(
    link: Link, arrived: asyncio.Queue[DeliveredMessage], waiting: set[str], *, as_json: bool
) -> None:
    """A receipt may come twice; the first one counts."""
    received: list[Json] = []
    try:
        while waiting:
            message = await link.next(arrived)
            receipt: Json = json.loads(message.body)
            if message.header.properties.correlation_id not in waiting:
                continue
            waiting.discard(str(message.header.properties.correlation_id))
            received.append(receipt)
            if as_json:
                show_json(receipt)
    finally:  # Ctrl-C, or a broker that is gone: what was told is told nobody again
        if received and not as_json:
            _show_table(received)
        if waiting:
            note(f"{plural(len(waiting), 'message')} without a receipt: nobody will hear what becomes of them")
    if any(receipt["outcome"] != "confirmed" for receipt in received):
        raise Failure("not every message was confirmed")


def _show_table(received: list[Json]) -> None:
    grid = table("~id", "outcome", "-attempts", "~value", "~detail")
    for r in received:
        grid.add_row(
            *cells(r["id"], r["outcome"], r["attempts"], json.dumps(r["value"], ensure_ascii=False), r["detail"])
        )
    out().print(grid)
