"""Many clients at once: the first are in at once, and nobody is lost because of the others."""

import asyncio
from typing import Any

import pytest

from gateway.lane import LANE
from tests.support.gateway import assembled, in_process
from tests.support.streams import UPGRADE, connected, ended
from tests.support.tokens import token
from tests.support.until import until
from tests.support.wireless import visitors

MANY = 200
PATIENT = {
    "gateway_ping_interval_seconds": 60,
    "gateway_ping_timeout_seconds": 60,
    "gateway_confirm_timeout_seconds": 200,
}


@pytest.fixture(params=[True, False], ids=["fast", "plain"], autouse=True)
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LANE, "taken", request.param)
    monkeypatch.setattr("gateway.core.strangers.LOGIN_SECONDS", 300.0)  # on a busy machine so many take their time


async def test_the_first_of_many_are_logged_in_before_the_last_have_a_connection() -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        logins = [f'40{{"token":"{token(f"user-{number}")}"}}' for number in range(MANY)]

        clients = [those.asks(login) for login in logins]
        await until(lambda: len(gateway.sessions), "the first session", 30.0, step_seconds=0.0)
        connected = len(gateway.sockets.engine)

        await until(lambda: len(gateway.sessions) == MANY, "all sessions", 60.0)
        assert connected < MANY / 2
        assert [lease.user for lease in gateway.office.leases] == [f"user-{number}" for number in range(MANY)]
        assert not any(client.closed for client in clients)


async def test_those_who_say_nothing_hold_up_nobody() -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        for _ in range(MANY):
            those.asks()

        those.asks(f'40{{"token":"{token("alice")}"}}')

        await until(lambda: len(gateway.sessions), "the session", 30.0)
        assert len(gateway.sockets.engine) == MANY + 1


async def test_one_that_leaves_while_it_waits_for_its_turn_leaves_nothing_behind() -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        clients = [those.asks() for _ in range(MANY)]

        clients[-1].leaves()

        await until(lambda: len(gateway.sockets.engine) == MANY - 1, "all others", 30.0)
        assert not clients[-1].got


async def test_what_a_client_says_before_it_is_let_in_is_heard_then() -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        for _ in range(MANY):
            those.asks()

        early = those.asks()
        early.says_unasked(f'40{{"token":"{token("alice")}"}}')

        await until(lambda: len(gateway.sessions), "the session", 30.0)


@pytest.mark.parametrize("others", [0, MANY])
async def test_one_that_says_what_is_no_frame_before_it_is_let_in_is_ended(others: int) -> None:
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        for _ in range(others):
            those.asks()

        early = those.asks()
        early.says_bytes(b"\xff" * 20)

        await until(lambda: early.closed, "the end", 30.0)
        await until(lambda: len(gateway.sockets.engine) == others, "all others", 30.0)
        assert not early.got
    assert not faults


async def test_a_websocket_that_is_asked_for_before_an_answer_is_complete_is_refused() -> None:
    async with in_process(**PATIENT) as gateway:
        asking = await connected(gateway.port)
        asking[1].write(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n" + UPGRADE)

        said = await ended(asking)

        assert said.startswith(b"HTTP/1.1 400 ")
        assert b" 101 " not in said
