"""The question before something is lost for good, while a connection to the broker waits for the answer."""

import asyncio
import sys
from contextlib import suppress

import typer

_YES = ("y", "yes")


async def confirmed(question: str) -> None:
    """Raises `typer.Abort` unless the answer is yes. The connection's heartbeats go on while a person thinks.

    In no thread: one that waits for a line ends only with a line, and Ctrl-C would have to wait for that as well.
    """
    typer.echo(f"{question} [y/N]: ", nl=False)
    await _something_to_read()
    answer = ""
    with suppress(UnicodeDecodeError):
        answer = sys.stdin.readline()
    if answer.strip().lower() not in _YES:
        raise typer.Abort


async def _something_to_read() -> None:
    """A line, from a terminal; or the end."""
    loop, there = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(sys.stdin, there.set)
    except (OSError, ValueError):
        return  # a file, which never keeps its reader waiting
    try:
        await there.wait()
    finally:
        loop.remove_reader(sys.stdin)
