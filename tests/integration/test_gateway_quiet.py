"""Connections while nothing happens: pinged, given up when they are silent, and nothing at work for any one of them."""

import asyncio
import gc
import time
import weakref

import pytest

from gateway.lane import LANE
from tests.support.gateway import InProcess, assembled
from tests.support.tokens import token
from tests.support.until import until
from tests.support.wireless import Client, Visitors, visitors

MANY = 20
PATIENT = {
    "gateway_ping_interval_seconds": 60,
    "gateway_ping_timeout_seconds": 60,
    "gateway_confirm_timeout_seconds": 200,
}


@pytest.fixture(params=[True, False], ids=["fast", "plain"])
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(LANE, "taken", request.param)
    return bool(request.param)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LANE, "taken", True)


async def logged_in(those: Visitors, user: str) -> Client:
    client = await those.come()
    client.says(f'40{{"token":"{token(user)}"}}')
    await until(lambda: any(str(frame).startswith("40") for frame in client.got), "the session", 30.0)
    return client


def pings(client: Client) -> int:
    return client.got.count("2")


@pytest.mark.usefixtures("lane")
async def test_a_client_that_answers_is_pinged_again_and_again_and_stays() -> None:
    async with (
        assembled(gateway_ping_interval_seconds=1, gateway_ping_timeout_seconds=20) as gateway,
        visitors(gateway) as those,
    ):
        client = await logged_in(those, "alice")

        answered = 0.0
        for round_ in range(1, 4):
            await until(lambda n=round_: pings(client) == n, "a ping", 30.0)  # type: ignore[misc]  # mypy cannot infer a default's type
            assert time.monotonic() - answered > 0.5
            answered = time.monotonic()
            client.says("3")

        assert not client.closed
        assert len(gateway.sessions) == 1


@pytest.mark.usefixtures("lane")
async def test_a_client_that_does_not_answer_is_pinged_once_and_closed() -> None:
    async with (
        assembled(gateway_ping_interval_seconds=1, gateway_ping_timeout_seconds=1) as gateway,
        visitors(gateway) as those,
    ):
        client = await logged_in(those, "alice")

        await until(
            lambda: client.closed or any(str(frame).startswith("closed") for frame in client.got), "the close", 30.0
        )
        await until(lambda: not len(gateway.sockets.engine), "nobody", 30.0)

        assert pings(client) == 1
        assert len(gateway.sessions) == 0
        await until(lambda: not gateway.sockets._server.eio.sockets, "no socket of engine.io", 30.0)


@pytest.mark.usefixtures("lane")
async def test_a_client_that_sends_much_and_answers_no_ping_is_closed() -> None:
    async with (
        assembled(gateway_ping_interval_seconds=1, gateway_ping_timeout_seconds=1) as gateway,
        visitors(gateway) as those,
    ):
        client = await logged_in(those, "alice")

        def gone() -> bool:
            client.says('42["unknown"]')
            return not len(gateway.sockets.engine)

        await until(gone, "the close", 30.0, step_seconds=0.1)


@pytest.mark.usefixtures("fast")
async def test_a_client_that_says_goodbye_is_closed_at_once() -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        client = await logged_in(those, "alice")

        client.says("1")

        await until(lambda: client.closed or len(client.got) > 2, "the end", 30.0)
        assert client.got[2:] == ["closed 1000"]


@pytest.mark.usefixtures("fast")
async def test_one_that_is_found_to_be_silent_when_it_is_sent_something_is_closed_then() -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        client = await logged_in(those, "alice")
        (socket,) = gateway.sockets._server.eio.sockets.values()
        socket.last_ping = 1.0

        gateway.forward("alice", "m1")

        await until(lambda: client.closed or len(client.got) > 2, "the end", 30.0)
        assert client.got[2:] == ["closed 1000"]
        await until(lambda: not gateway.sockets._server.eio.sockets, "no socket of engine.io", 30.0)
        assert not len(gateway.sockets._server.eio.pings)


@pytest.mark.usefixtures("fast")
async def test_one_that_cannot_be_pinged_leaves_no_other_without_pings() -> None:
    async with (
        assembled(gateway_ping_interval_seconds=1, gateway_ping_timeout_seconds=20) as gateway,
        visitors(gateway) as those,
    ):
        await logged_in(those, "alice")
        (socket,) = gateway.sockets._server.eio.sockets.values()

        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(socket, "_straight", None)
            broken.setattr(socket, "queue", None)
            bob = await logged_in(those, "bob")
            await until(lambda: pings(bob), "a ping", 30.0)


@pytest.mark.usefixtures("fast")
async def test_an_idle_session_is_one_task_and_no_timer_of_engine_io() -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        await logged_in(those, "first")  # with it comes the one task that pings all
        before = len(asyncio.all_tasks())

        for number in range(MANY):
            await logged_in(those, f"user-{number}")

        await until(lambda: len(asyncio.all_tasks()) <= before + MANY, "no more tasks than sessions", 30.0)
        assert len(gateway.sessions) == MANY + 1


@pytest.mark.usefixtures("fast")
async def test_a_client_that_was_behind_is_up_to_date_again_once_it_has_read() -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        client = await logged_in(those, "alice")
        (socket,) = gateway.sockets._server.eio.sockets.values()
        assert socket.queue.waits
        client.stops()
        for number in range(3):
            gateway.forward("alice", f"m{number}")
        await until(lambda: not socket.queue.waits, "something kept", 30.0)

        client.goes_on()

        await until(lambda: socket.queue.waits, "nothing kept", 30.0)
        assert next('"m0"' in str(frame) for frame in client.got if "message" in str(frame))


@pytest.mark.usefixtures("lane")
async def test_nothing_is_kept_of_those_who_have_left() -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        await _come_and_go(gateway, those)
        server = gateway.sockets._server

        await until(lambda: not server.eio.sockets, "no socket of engine.io", 30.0)
        assert not server.environ
        assert not gateway.sockets.engine.open_connections()
        assert not len(getattr(server.eio, "pings", ()))


@pytest.mark.usefixtures("fast")
async def test_who_has_left_is_gone_without_the_garbage_collector() -> None:
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        client = await logged_in(those, "alice")
        gateway.forward("alice", "m1")
        await until(lambda: len(client.got) == 3, "the message", 30.0)
        (socket,) = gateway.sockets._server.eio.sockets.values()
        protocol = client.get_protocol()
        left = [weakref.ref(protocol), weakref.ref(protocol.conn), weakref.ref(socket)]
        del socket, protocol

        gc.disable()
        try:
            client.leaves()
            await until(lambda: not any(there() for there in left), "the end of all", 30.0)
        finally:
            gc.enable()


async def _come_and_go(gateway: InProcess, those: Visitors) -> None:
    for number in range(3):
        client = await logged_in(those, f"user-{number}")
        gateway.forward(f"user-{number}", "m1")
        client.leaves()
    await those.come()  # and one that does not log in
    await those.all_leave()
    await until(lambda: not len(gateway.sockets.engine), "nobody", 30.0)
