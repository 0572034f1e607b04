"""Floods of small frames: who says too much in vain is closed, confirmations are free, and nobody else waits."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator

import aiohttp
import pytest
from websockets.exceptions import ConnectionClosed

from gateway.line import FRAMES_AT_ONCE, FRAMES_PER_SECOND, Patience
from shared.wire import Forward
from tests.support.gateway import closed, heard, in_process, log_in, message_heard, raw
from tests.support.tokens import token
from tests.support.until import until
from tests.support.witness import undisturbed

FRAMES = 5_000
PATIENT = {"gateway_ping_interval_seconds": 10, "gateway_ping_timeout_seconds": 8}
SENDS = 20
"""What a session may send a second, by default."""

FLOODS = {
    "pongs": itertools.repeat("3"),
    "events that mean nothing": itertools.repeat('42["mouse",1,2]'),
    "events elsewhere": itertools.repeat('42/admin,["mouse"]'),
    "answers to nothing": (f"43{number}[]" for number in itertools.count()),
    "sends": (f'42{number}["send",{{"to":"bob","data":1}}]' for number in itertools.count()),
    "renewals": itertools.repeat('42["renew",{"token":"x"}]'),
    "logins": itertools.repeat('40{"token":"x"}'),
}


@pytest.fixture(autouse=True)
async def quick() -> None:
    """Watching every task would make the floods of the tests the slow part."""
    asyncio.get_running_loop().set_debug(False)


@pytest.mark.parametrize("frames", [pytest.param(frames, id=name) for name, frames in FLOODS.items()])
async def test_a_flood_closes_its_connection_and_nobody_else_notices(frames: Iterator[str]) -> None:
    async with in_process(**PATIENT) as gateway:
        async with undisturbed(gateway), raw(gateway) as socket:
            await log_in(socket, token("mallory", send="*"))

            with contextlib.suppress(ConnectionClosed):
                for frame in itertools.islice(frames, FRAMES):
                    await socket.send(frame)
                    await asyncio.sleep(0)  # the client and the gateway share this process
            await closed(socket, seconds=20)

        assert gateway.count("sessions_cut_total", reason="too many frames") == 1
        assert len(gateway.office.sent) <= 5 * SENDS


@pytest.mark.parametrize("posted", ["\x1e".join(['42["mouse",1,2]'] * 16), "3"], ids=["events", "pongs"])
async def test_a_flood_by_polling_closes_its_connection_too(posted: str) -> None:
    async with (
        in_process(gateway_transports=("websocket", "polling"), **PATIENT) as gateway,
        aiohttp.ClientSession() as http,
    ):
        url = f"{gateway.url}/socket.io/?EIO=4&transport=polling"
        sid = (await (await http.get(url)).text()).split('"sid":"')[1].split('"')[0]
        url += f"&sid={sid}"
        await http.post(url, data=f'40{{"token":"{token("mallory")}"}}')
        await until(lambda: gateway.sessions.sessions_of("mallory"), "the session")

        async with undisturbed(gateway):
            for _ in range(FRAMES // (1 + posted.count("\x1e"))):
                answer = await http.post(url, data=posted)
                if answer.status != 200:
                    break

        await until(lambda: not gateway.sessions.sessions_of("mallory"), "no session")
        assert gateway.count("sessions_cut_total", reason="too many frames") == 1


async def test_confirmations_are_free_however_fast_they_come() -> None:
    async with in_process(**PATIENT) as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))

        for window in range(60):
            sessions = tuple(gateway.sessions.sessions_of("alice"))
            messages = [f"m{window}.{number}" for number in range(128)]
            events = [Forward("alice", name, sessions, b'{"id":"%b"}' % name.encode(), None) for name in messages]
            gateway.tell(*events, window=128)
            callbacks = [(await message_heard(socket))[0] for _ in range(128)]
            await asyncio.gather(*(socket.send(f"43{callback}[]") for callback in callbacks))
        await until(lambda: len(gateway.office.outcomes) == 60 * 128, "all confirmed", 60)

        assert gateway.sessions.sessions_of("alice")


async def test_an_application_that_sends_in_a_loop_is_told_so_and_not_cut() -> None:
    async with in_process(**PATIENT) as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice", send="*"))

        for number in range(300):
            await socket.send(f'42{number}["send",{{"to":"bob","data":1}}]')
        answers = [await heard(socket) for _ in range(300)]

        assert sum("rate_limited" in answer for answer in answers) > 200
        assert gateway.sessions.sessions_of("alice")


def test_patience_is_a_burst_and_then_a_rate() -> None:
    patience = Patience(SENDS, now=0.0)
    burst, rate = FRAMES_AT_ONCE + 10 * SENDS, FRAMES_PER_SECOND + 2 * SENDS

    assert all(patience.take(0.0) for _ in range(burst))
    assert not patience.take(0.0)
    assert sum(patience.take(1.1) for _ in range(burst)) == pytest.approx(rate, abs=10)
