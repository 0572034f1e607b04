"""Being told to end is not forgotten, whatever a call comes to in that very moment."""

import asyncio

import aiormq.exceptions
import pytest

from shared.broker import Refused, calling

REFUSED = aiormq.exceptions.ChannelNotFoundEntity("no exchange 'messages'")


async def _called(answer: asyncio.Future[None]) -> None:
    with calling("a call"):
        await asyncio.wait_for(answer, timeout=60)


@pytest.mark.parametrize("refused", [False, True])
async def test_who_is_told_to_end_when_the_answer_comes_does_not_go_on(*, refused: bool) -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(_called(answer))
    await asyncio.sleep(0)

    if refused:
        answer.set_exception(REFUSED)
    else:
        answer.set_result(None)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_not_told_to_end_hears_what_the_broker_refused() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    answer.set_exception(REFUSED)

    with pytest.raises(Refused, match="no exchange"):
        await _called(answer)
