"""`restante dead-letters show`: one dead letter as a whole, for whoever wants to know what went wrong."""

import asyncio
import json
from typing import Annotated

import orjson
import typer
from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from shared.cli.arguments import AsJson
from shared.cli.failures import Failure
from shared.cli.letter_reading import Choice, ForUser, WithReason, read, total
from shared.cli.letters import Letter
from shared.cli.link import broker
from shared.cli.printing import facts, note, out, plural, show_json, visible
from shared.cli.surroundings import settings

MOST_CHARACTERS = 20_000
"""Of a body, on a person's screen; `--json` shows all of it."""

HEX_BYTES = 256
HEX_IN_LINE = 16


def show_letter(
    message_id: Annotated[str, typer.Argument(metavar="ID", help="Its message id.")],
    *,
    user: ForUser = None,
    reason: WithReason = None,
    as_json: AsJson = False,
) -> None:
    """Show a dead letter as a whole: why it is here, its history, its headers, its body. Takes nothing away."""
    letters = asyncio.run(_find(Choice(user, reason, frozenset({message_id}))))
    if not letters:
        raise Failure(f"no dead letter has the id {message_id} (`restante dead-letters list` shows them)")
    for letter in letters:
        if as_json:
            show_json(letter.whole())
        else:
            out().print(_shown(letter))
    if len(letters) > 1:
        note(f"{plural(len(letters), 'dead letter')} with this id, the oldest first.")


async def _find(choice: Choice) -> list[Letter]:
    async with broker(settings(), "dead-letters show") as link:
        return [letter async for letter in read(await link.channel(), await total(link)) if letter in choice]


def _shown(letter: Letter) -> RenderableType:
    about = letter.properties
    rows = [
        ("id", letter.id or "none: its publisher gave it none"),
        ("user", letter.user),
        ("reason", letter.reason + (f": {letter.detail}" if letter.detail else "")),
        ("attempts", str(letter.attempts)),
        ("type", about.message_type or ""),
        ("published", about.timestamp.isoformat() if about.timestamp else ""),
        ("receipt to", about.reply_to or ""),
        *((f"header {name}", json.dumps(value, ensure_ascii=False)) for name, value in letter.own_headers().items()),
        *(("history", line) for line in letter.history()),
        ("body", f"{plural(len(letter.body), 'byte')}, {about.content_type or 'application/json, as it names none'}"),
    ]
    kept = [(visible(name), value) for name, value in rows if value]
    return Group(facts(*kept), Rule(style="dim"), body_lines(letter.body), Text())


def body_lines(body: bytes) -> Text:
    """JSON on as many lines as it has parts, text as it is, anything else in hexadecimal; never a control character."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return Text(hexadecimal(body))
    try:
        orjson.loads(body)  # as strict as delivery is; what it makes of long numbers is too short
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        pass
    shown = Text("\n".join(visible(line, MOST_CHARACTERS) for line in text[:MOST_CHARACTERS].split("\n")))
    if len(text) > MOST_CHARACTERS:
        shown.append(f"\n… {len(text) - MOST_CHARACTERS:,} more characters: --json shows all", "dim")
    return shown


def hexadecimal(body: bytes) -> str:
    """As hexdump prints it: where, which bytes, and what they would be as ASCII."""
    lines = []
    for at in range(0, min(len(body), HEX_BYTES), HEX_IN_LINE):
        part = body[at : at + HEX_IN_LINE]
        ascii_too = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{at:04x}  {part.hex(' '):<{HEX_IN_LINE * 3}} {ascii_too}")
    if len(body) > HEX_BYTES:
        lines.append(f"… {len(body) - HEX_BYTES:,} more bytes: --json shows all, in base64")
    return "\n".join(lines)
