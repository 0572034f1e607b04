"""A connection that ends in the middle of a command is a line and a code, however aiormq puts it."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import aiormq
import pytest

from shared.cli import link
from shared.cli.failures import Exit, Failure
from shared.cli.surroundings import CommandSettings


class Gone:
    """A connection that the broker has closed."""

    def __init__(self) -> None:
        async def channel(**_: object) -> None:
            raise RuntimeError("<Connection> closed")

        self.transport = SimpleNamespace(connection=SimpleNamespace(channel=channel))

    async def close(self) -> None:
        """It is."""


@pytest.fixture(autouse=True)
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*_: object) -> Any:
        return Gone()

    monkeypatch.setattr(link, "connect", connect)


SETTINGS = cast("CommandSettings", None)


@pytest.mark.parametrize(
    "err", [aiormq.exceptions.ChannelInvalidStateError("closed"), asyncio.CancelledError(), ConnectionResetError()]
)
async def test_a_connection_that_ends_in_the_middle_is_code_4(err: BaseException) -> None:
    with pytest.raises(Failure) as failed:
        async with link.broker(SETTINGS, "forget"):
            raise err

    assert failed.value.code is Exit.AWAY


async def test_a_connection_that_ended_before_the_next_question_is_code_4() -> None:
    with pytest.raises(Failure) as failed:
        async with link.broker(SETTINGS, "forget") as there:
            await there.depth("user.alice")

    assert failed.value.code is Exit.AWAY
    assert "<" not in str(failed.value)


async def test_ctrl_c_is_no_lost_connection() -> None:
    async def command() -> None:
        async with link.broker(SETTINGS, "forget"):
            await asyncio.sleep(60)

    task = asyncio.create_task(command())
    await asyncio.sleep(0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
