"""A connection to a broker that is being made can be given up at any moment."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from shared.broker import BrokerAway, connect
from shared.settings import BrokerSettings

TURNS = 40
ROUNDS = 2


@pytest.fixture
def nobody() -> Iterator[BrokerSettings]:
    """An address that refuses: the port is taken, and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"amqp://guest:guest@127.0.0.1:{taken.getsockname()[1]}/"
        yield BrokerSettings(broker_url=(SecretStr(url),))


async def test_whoever_gives_up_in_the_moment_in_which_a_connection_fails_is_heard(nobody: BrokerSettings) -> None:
    """A service that drained while its broker was away could go on trying for ever."""
    came_too_late = 0
    for turns in [*range(TURNS)] * ROUNDS:
        trying = asyncio.create_task(connect(nobody, "a test"))
        for _ in range(turns):
            await asyncio.sleep(0)

        heard = trying.cancel()

        with contextlib.suppress(asyncio.CancelledError, BrokerAway):
            await trying
        assert trying.cancelled() or not heard, f"after {turns} turns"
        came_too_late += not heard
    assert came_too_late < TURNS * ROUNDS


async def test_a_group_of_tasks_that_failed_before_is_no_reason_to_end(nobody: BrokerSettings) -> None:
    """Python 3.11 counts it for ever as a cancellation of the task that waited for the group."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise BrokerAway("on purpose")

    async def link() -> None:
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail())
        await connect(nobody, "a test")

    with pytest.raises(BrokerAway, match=r"refused|failed"):
        await asyncio.create_task(link())
