"""Clients that do not read what they are sent: cut by time and by bytes, freed at once, and nobody else notices."""

import asyncio
import contextlib
import ctypes
import gc
import time

import pytest
from engineio.async_socket import AsyncSocket

from gateway.line import Line
from tests.support.deaf import Deaf, deaf
from tests.support.gateway import InProcess, heard, in_process, log_in, message_heard, raw
from tests.support.tokens import token
from tests.support.until import until
from tests.support.witness import resident_bytes, undisturbed

LARGE = 200_000
WINDOW = 32
DEAF = 10
PATIENT = {"gateway_ping_interval_seconds": 5, "gateway_ping_timeout_seconds": 5}


@pytest.fixture(autouse=True)
async def quick() -> None:
    """Watching every task would make the clients of the tests the slow part."""
    asyncio.get_running_loop().set_debug(False)


def forward_large(gateway: InProcess, user: str, first: int, count: int, size: int = LARGE) -> None:
    event = b'{"id":"m%d","data":"' + b"x" * size + b'"}'
    for number in range(first, first + count):
        gateway.forward(user, f"m{number}", event % number)


def remains() -> int:
    """What is left in memory of connections."""
    gc.collect()
    return sum(isinstance(thing, AsyncSocket | Line) for thing in gc.get_objects())


def trim() -> None:
    """Gives back what was freed: the allocator keeps it otherwise, for next time."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


async def test_clients_that_stop_reading_are_cut_and_freed_and_nobody_else_notices() -> None:
    async with in_process() as gateway:
        async with undisturbed(gateway):
            pass
        tasks, before = len(asyncio.all_tasks()), resident_bytes()

        async with undisturbed(gateway), contextlib.AsyncExitStack() as clients:
            for number in range(DEAF):
                await clients.enter_async_context(deaf(gateway.port, f"deaf{number}"))
                forward_large(gateway, f"deaf{number}", 0, WINDOW)
            most = resident_bytes()
            cut = "sessions_cut_total"
            await until(lambda: gateway.count(cut, reason="does not read") == DEAF, "all are cut")
            await until(lambda: len(gateway.sockets.engine) == 1, "all are gone but one")

        await until(lambda: len(gateway.sockets.engine) == 0 and len(asyncio.all_tasks()) <= tasks, "no task of theirs")
        # engine.io's own task remembers one socket.
        await until(lambda: remains() <= 2, "nothing of theirs in memory", step_seconds=0.2)
        trim()
        after = resident_bytes()
        print(
            f"\n{DEAF} clients with {WINDOW} x {LARGE} bytes unread: {before >> 20} -> {most >> 20} -> {after >> 20} MB"
        )
        assert after - before < DEAF * WINDOW * LARGE / 4


async def test_a_client_that_reads_slowly_but_reads_is_not_cut_for_it() -> None:
    async with in_process() as gateway, deaf(gateway.port, "alice") as alice:
        forward_large(gateway, "alice", 0, 8)
        began, read = time.monotonic(), 0

        while time.monotonic() - began < 5:  # a single write takes longer than what a client may not read at all
            read += len(await alice.read(2048))
            await alice.say("3")
            await asyncio.sleep(0.02)

        assert read < 8 * LARGE
        assert gateway.sessions.sessions_of("alice")


async def trickle(client: Deaf) -> None:
    with contextlib.suppress(ConnectionError):
        while await client.read(2048):  # noqa: ASYNC110 -- the pause is the point
            await asyncio.sleep(0.02)


async def test_a_connection_that_is_to_close_does_not_wait_for_a_client_that_hardly_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.line.ENDING_SECONDS", 1.0)
    async with in_process(**PATIENT) as gateway, deaf(gateway.port, "alice") as alice:
        forward_large(gateway, "alice", 0, WINDOW)

        reading = asyncio.create_task(trickle(alice))
        gateway.sockets.cut(gateway.sessions.sessions_of("alice")[0], "confirm timeout")
        gone = "gone before any ping could tell"
        await until(lambda: len(gateway.sockets.engine) == 0, gone, 7)
        reading.cancel()

        assert gateway.count("sessions_cut_total", reason="confirm timeout") == 1
        assert gateway.count("sessions_cut_total", reason="does not read") == 0


async def test_who_confirms_what_it_does_not_read_is_cut_before_that_fills_the_memory() -> None:
    async with in_process(**PATIENT) as gateway, deaf(gateway.port, "mallory") as mallory:
        gateway.forward("mallory", "first")
        callback, sent = await mallory.first_callback(), 0
        await mallory.say(f"43{callback}[]")
        while gateway.sessions.sessions_of("mallory") and sent < 100 * WINDOW:
            forward_large(gateway, "mallory", sent, WINDOW)
            await confirm_blindly(gateway, mallory, callback + 1 + sent)
            sent += WINDOW

        await until(lambda: not gateway.sessions.sessions_of("mallory"), "cut")
        assert gateway.count("sessions_cut_total", reason="does not read") == 1
        assert sent <= 12 * WINDOW


async def confirm_blindly(gateway: InProcess, client: Deaf, first: int) -> None:
    """A window's worth of callbacks, whose numbers can be guessed."""
    before = len(gateway.office.outcomes)
    with contextlib.suppress(ConnectionError):
        await client.say(*(f"43{number}[]" for number in range(first, first + WINDOW)))
    await until(
        lambda: len(gateway.office.outcomes) >= before + WINDOW or not gateway.sessions.sessions_of("mallory"),
        "the outcomes",
    )


async def test_who_asks_without_reading_the_answers_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.unread.OTHER_CHARACTERS", 5_000)
    async with in_process(**PATIENT) as gateway, deaf(gateway.port, "mallory", send="*") as mallory:
        forward_large(gateway, "mallory", 0, WINDOW)  # TCP takes no more
        with contextlib.suppress(ConnectionError):
            await mallory.say(*(f'42{number}["send",{{"to":"bob","data":1}}]' for number in range(200)))

        await until(lambda: gateway.count("sessions_cut_total", reason="does not read") == 1, "cut", 7)
        await until(lambda: len(gateway.sockets.engine) == 0, "gone")


async def test_who_reads_is_sent_large_messages_for_ever() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))

        for first in range(0, 8 * WINDOW, WINDOW):
            forward_large(gateway, "alice", first, WINDOW, size=20_000)
            for _ in range(WINDOW):
                number, _ = await message_heard(socket)
                await socket.send(f"43{number}[]")
        await until(lambda: len(gateway.office.outcomes) == 8 * WINDOW, "all confirmed")

        await socket.send('421["send",{"to":"bob","data":1}]')
        assert "forbidden" in await heard(socket)
