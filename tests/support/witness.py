"""Somebody else: a client that means well, is sent messages all the while, and must not notice anything."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.gateway import InProcess, log_in, message_heard, raw
from tests.support.tokens import token
from tests.support.until import until

PAUSE_SECONDS = 0.005


def resident_bytes(pid: int | str = "self") -> int:
    """How much memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@asynccontextmanager
async def undisturbed(gateway: InProcess) -> AsyncIterator[str]:
    """While the block runs, and once after it, a user of its own gets each message, in order, and confirms it."""
    user, stop = f"witness.{uuid.uuid4().hex[:8]}", asyncio.Event()
    async with raw(gateway) as socket:
        await log_in(socket, token(user))
        session = gateway.sessions.sessions_of(user)
        number = 0

        async def one() -> None:
            nonlocal number
            number += 1
            gateway.forward(user, f"m{number}")
            callback, message = await message_heard(socket)
            assert message == f"m{number}"
            await socket.send(f"43{callback}[]")
            await until(lambda: _confirmed(gateway, user) == number, f"m{number} of {user} confirmed")

        async def all_the_while() -> None:
            while not stop.is_set():
                await one()
                await asyncio.sleep(PAUSE_SECONDS)
            await one()

        task = asyncio.create_task(all_the_while())
        try:
            yield user
        finally:
            stop.set()
            await task
        assert gateway.sessions.sessions_of(user) == session
    await until(lambda: not gateway.sessions.sessions_of(user), f"{user} gone")


def _confirmed(gateway: InProcess, user: str) -> int:
    return sum(outcome.user == user for outcome in gateway.office.outcomes)
