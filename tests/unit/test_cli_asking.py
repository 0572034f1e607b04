"""The question before something is lost: only yes is yes, the connection lives on meanwhile, Ctrl-C ends it at once."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TextIO

import pytest
import typer

from shared.cli.asking import confirmed


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "w", buffering=1) as typing:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typing


async def test_what_else_runs_goes_on_until_the_answer_is_there(keyboard: TextIO) -> None:
    asking = asyncio.create_task(confirmed("Drop it?"))
    for _ in range(10):
        await asyncio.sleep(0.01)

    assert not asking.done()
    keyboard.write("Yes\n")
    await asking


@pytest.mark.parametrize("answer", ["n\n", "\n", "yess\n", ""])
async def test_anything_but_yes_ends_it(answer: str, keyboard: TextIO) -> None:
    keyboard.write(answer)
    keyboard.close()

    with pytest.raises(typer.Abort):
        await confirmed("Drop it?")


@pytest.mark.timeout(10)
def test_who_ends_it_at_the_question_need_not_answer(keyboard: TextIO) -> None:
    async def ended() -> None:
        asking = asyncio.create_task(confirmed("Drop it?"))
        await asyncio.sleep(0.05)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking

    asyncio.run(ended())  # which waits for threads

    assert not keyboard.closed
