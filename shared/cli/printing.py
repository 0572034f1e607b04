"""What the commands show: tables and lines for people, JSON for programs, and nothing that a message could abuse."""

import base64
import contextlib
import errno
import json
import os
import sys
from typing import Any

import orjson
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from shared.cli.failures import Failure

Json = dict[str, Any]


class Screen(Console):
    """Stdout. `print` raises `Failure` where nothing can be written: nobody reads any more, or the disk is full."""

    def print(self, *objects: Any, **options: Any) -> None:
        try:
            super().print(*objects, **options)
        except OSError as err:
            raise unwritable(err) from err

    def on_broken_pipe(self) -> None:
        """In rich's own words it ends the program, wherever it is."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def out() -> Screen:
    """Made for each use, so that it writes to whatever stdout is then."""
    return Screen(highlight=False, soft_wrap=False)


def unwritable(err: OSError) -> Failure:
    """Not a lost connection, which is an OSError too."""
    with contextlib.suppress(OSError):  # else the interpreter complains once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Failure(f"nothing more can be shown: {err.strerror or err}")


def note(text: str, style: str = "dim") -> None:
    """A line beside the answer, on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(visible(text), style))


def show(answer: Json | list[Json], shown: RenderableType, *, as_json: bool) -> None:
    """`shown` to a person, `answer` to a program: an object on one line, a list one line for each."""
    if not as_json:
        out().print(shown)
        return
    for line in answer if isinstance(answer, list) else [answer]:
        show_json(line)


def show_json(line: Json) -> None:
    show_line(json.dumps(line))


def show_line(text: str) -> None:
    """To the letter, at once. Raises `Failure` where nothing can be written."""
    file = out().file
    try:
        file.write(text + "\n")
        file.flush()
    except OSError as err:
        raise unwritable(err) from err


def table(*columns: str) -> Table:
    """`-column` holds numbers; `~column` gives way where the line is too short for all."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column.lstrip("-~"), justify="right" if column[0] == "-" else "left", no_wrap=column[0] != "~")
    return grid


def facts(*rows: tuple[str, str | Text]) -> Table:
    """A name and what there is to say about it, a line each."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, value if isinstance(value, Text) else Text(visible(value)))
    return grid


def cells(*values: object) -> list[Text]:
    """Text, never markup: a message's `[red]` is shown as it is. Always one line."""
    return [Text(visible(str(value)), no_wrap=True, overflow="ellipsis") for value in values]


def visible(text: str, most: int = 300) -> str:
    """Control characters as escapes, so that nothing that was published can write to a terminal's own ideas."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in cut)


def body_text(body: bytes) -> str:
    """A body for people: text as it is, anything else by its size."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"<{len(body)} bytes>"


def body_json(body: bytes) -> Json:
    """A body for programs: what it says if it is JSON, else its text, else its bytes in base64."""
    try:
        orjson.loads(body)  # as strict as delivery is; what it makes of long numbers is too short
        return {"data": json.loads(body)}
    except (ValueError, RecursionError):
        pass
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def plural(count: int, one: str) -> str:
    return f"{count:,} {one if count == 1 else f'{one}s'}"
