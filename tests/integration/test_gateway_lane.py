"""What the fast lane does that the libraries' way would not, which must be nothing: each test runs both ways."""

import asyncio
import itertools
import re
from typing import Any

import aiohttp
import pytest
import socketio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from gateway.lane import LANE
from tests.support.gateway import InProcess, heard, in_process, log_in, message_heard, raw
from tests.support.tokens import token
from tests.support.until import until

EVENT = b'{"id":"%b","data":null,"type":"\xc3\xa9","from":null,"timestamp":7,"redelivered":false}'
PATIENT = {
    "gateway_ping_interval_seconds": 20,
    "gateway_ping_timeout_seconds": 20,
    "gateway_confirm_timeout_seconds": 60,
}


@pytest.fixture(params=[True, False], ids=["fast", "plain"], autouse=True)
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(LANE, "taken", request.param)
    return bool(request.param)


def takes_it(gateway: InProcess) -> bool:
    (connection,) = gateway.sockets.engine.open_connections()
    return connection.session is not None and connection.session.lane is not None


async def test_the_lane_is_taken_where_it_may_be(lane: bool) -> None:
    async with in_process(**PATIENT) as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))

        gateway.forward("alice", "m1")
        number, _ = await message_heard(socket)
        await socket.send(f"43{number}[]")
        await until(lambda: gateway.office.outcomes, "the outcome")

        assert takes_it(gateway) is lane


@pytest.mark.parametrize("namespace", ["/", "/chat"])
async def test_a_message_is_the_same_frame(namespace: str) -> None:
    async with in_process(gateway_namespace=namespace, **PATIENT) as gateway, raw(gateway) as socket:
        named = "" if namespace == "/" else f"{namespace},"
        await socket.send(f'40{named}{{"token":"{token("alice")}"}}')
        await heard(socket)

        for message in ("m1", "m2"):  # the first may find engine.io busy with the answer to CONNECT
            gateway.forward("alice", message, EVENT % message.encode())
            text = await heard(socket)

            found = re.fullmatch(rf"42{named}([0-9]+)(\[.*\])", text)
            assert found is not None, text
            assert found[2] == f'["message",{(EVENT % message.encode()).decode()}]'
            await socket.send(f'43{named}{found[1]}["{message}"]')

        await until(lambda: len(gateway.office.outcomes) == 2, "two outcomes", 30.0)
        assert [outcome.value for outcome in gateway.office.outcomes] == [b'"m1"', b'"m2"']


ANSWERS: list[tuple[list[str | bytes | list[str]], list[bytes], int]] = [
    (["43#[]"], [b"null"], 0),
    (["43#[1.50]"], [b"1.50"], 0),
    (["43#[ ] \n"], [b"null"], 0),
    ([["4", "3#", "[", '"split"]']], [b'"split"'], 0),
    (["43#[1]", "43#[2]"], [b"1"], 0),
    (["430[]", "430[1]", "43999999999999999[]", "43/chat,#[]", "43#[]"], [b"null"], 0),
    (["43/,#[]"], [b"null"], 0),
    (["43"], [], 1),
    (["43[]"], [], 1),
    (["43#" + '["' + "x" * 200_000 + '"]'], [b"null"], 0),
    (['43#["\\ud800"]'], [b'"?"'], 0),
    (["43#[" + "[" * 2000 + "]" * 2000 + "]"], [b"null"], 0),
    (["430["], [], 1),
    (["43x["], [], 1),
    (["43#"], [], 1),
    (["43#{}"], [], 1),
    (["43#[1 2]"], [], 1),
    (["461-#[]"], [b"null"], 0),
    (["43" + "9" * 17 + "[]"], [], 1),
    ([b"43#[]"], [], 1),
]


@pytest.mark.parametrize(("frames", "values", "bad"), ANSWERS, ids=[str(frames)[:30] for frames, _, _ in ANSWERS])
async def test_an_answer_means_the_same(frames: list[Any], values: list[bytes], bad: int) -> None:
    async with in_process(**PATIENT) as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))
        gateway.forward("alice", "m0")
        first, _ = await message_heard(socket)
        await socket.send(f"43{first}[]")
        await until(lambda: gateway.office.outcomes, "the first outcome", 30.0)
        gateway.forward("alice", "m1")
        number, _ = await message_heard(socket)

        for frame in frames:
            await socket.send(_numbered(frame, number))

        await _caught_up(socket)
        outcomes = gateway.office.outcomes[1:]
        assert [outcome.value for outcome in outcomes] == values
        assert gateway.count("bad_frames_total") == bad


async def test_the_order_is_kept_where_both_ways_are_used() -> None:
    async with in_process(**PATIENT) as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice", send="*"))
        expected: list[str] = []
        for number in range(24):
            match number % 4:
                case 0:
                    gateway.forward("alice", f"m{number}", b'{"id":"m%d","data":null}' % number, b"\x00" * 5000)
                case 1:
                    gateway.forward("alice", f"m{number}", b'{"id":"m%d","data":"%b"}' % (number, b"x" * 90_000))
                case 2:
                    gateway.forward("alice", f"m{number}")
                    await asyncio.sleep(0)
                case _:
                    gateway.forward("alice", f"m{number}")
            expected.append(f"m{number}")

        got: list[str] = []
        while len(got) < len(expected):
            async with asyncio.timeout(30.0):
                frame = await socket.recv()
            if isinstance(frame, str) and frame.startswith("4"):
                found = re.match(r'45?[0-9-]*\["message",\{"id":"(m[0-9]+)"', frame)
                assert found is not None, frame[:100]
                got.append(found[1])

        assert got == expected


async def test_a_stream_of_messages_is_whole_and_in_order_across_an_upgrade_from_polling() -> None:
    async with (
        in_process(gateway_transports=("websocket", "polling"), **PATIENT) as gateway,
        aiohttp.ClientSession() as http,
    ):
        sio = socketio.AsyncClient(reconnection=False, http_session=http)
        got: list[str] = []
        upgraded_after: list[int] = []

        def take(message: dict[str, Any]) -> None:
            got.append(message["id"])

        sio.on("message", take)
        connecting = asyncio.create_task(sio.connect(gateway.url, auth={"token": token("alice")}))
        await until(lambda: len(gateway.sessions) == 1, "the session", 30.0)
        for number in itertools.count():
            gateway.forward("alice", f"m{number}")
            if not upgraded_after and connecting.done() and sio.transport() == "websocket":
                upgraded_after.append(number)
            if upgraded_after and number >= upgraded_after[0] + 20:
                break
            await until(lambda number=number: len(got) > number - 20, "no more than 20 under way", 30.0)  # type: ignore[misc]  # mypy cannot infer a default's type
            await asyncio.sleep(0)

        await until(lambda: len(gateway.office.outcomes) > number, "all outcomes", 30.0)
        assert got == [f"m{n}" for n in range(number + 1)]
        await connecting
        await sio.disconnect()


async def test_after_logging_out_and_in_again_on_one_connection_the_new_session_has_the_lane(lane: bool) -> None:
    async with in_process(**PATIENT) as gateway, raw(gateway) as socket:
        for round_ in range(2):
            await log_in(socket, token("alice"))
            gateway.forward("alice", f"m{round_}")
            number, _ = await message_heard(socket)
            await socket.send(f"43{number}[{round_}]")
            await until(lambda: len(gateway.office.outcomes) == round_ + 1, "the outcome", 30.0)  # noqa: B023 -- awaited here
            assert takes_it(gateway) is lane
            await socket.send("41")
            await until(lambda: len(gateway.sessions) == 0, "no session", 30.0)

        assert [outcome.value for outcome in gateway.office.outcomes] == [b"0", b"1"]


def _numbered(frame: str | bytes | list[str], number: int) -> Any:
    if isinstance(frame, list):
        return [part.replace("#", str(number)) for part in frame]
    return frame.replace(b"#", b"%d" % number) if isinstance(frame, bytes) else frame.replace("#", str(number))


async def _caught_up(socket: ClientConnection) -> None:
    """Until the gateway has read everything: it has answered what was asked last, or closed."""
    try:
        await socket.send('4277["renew",{"token":"x"}]')
        async with asyncio.timeout(30.0):
            while not str(await socket.recv()).startswith("4377"):
                pass
    except ConnectionClosed:
        pass
