"""Quiet connections, held to engine.io's own: whatever both sides do, client and gateway come to the same."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from engineio.async_drivers.asgi import translate_request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.lane import LANE
from gateway.quiet import environment
from tests.support.gateway import InProcess, assembled
from tests.support.tokens import token
from tests.support.wireless import Client, visitors

PATIENT = {
    "gateway_ping_interval_seconds": 60,
    "gateway_ping_timeout_seconds": 60,
    "gateway_confirm_timeout_seconds": 200,
}
TOKEN = token("alice", send="*")
SAYS = [
    f'40{{"token":"{TOKEN}"}}',
    '40{"token":"x"}',
    f'40/other,{{"token":"{TOKEN}"}}',
    "41",
    "3",
    "43#[]",
    "43#[",
    '43#[{"error":"no"}]',
    "4399[]",
    '4277["renew",{"token":"x"}]',
    '4278["send",{"to":"bob","data":1}]',
    '42["unknown",1]',
    '451-["send",{}]',
    "2",
    "",
    "x",
    b"\x00",
]
TURNS = 60
DOES = ["message", "mixed", "mixed", "large", "cut", "replace", "full", "read"]
STEPS = st.lists(st.sampled_from([*SAYS, *DOES]), max_size=12)


async def history(lane: bool, steps: list[Any], switched: pytest.MonkeyPatch) -> tuple[list[str | bytes], list[object]]:
    """What the client got, and what became of it in the gateway."""
    switched.setattr(LANE, "taken", lane)
    async with assembled(**PATIENT) as gateway, visitors(gateway) as those:
        client = await those.come()
        await steps_taken(gateway, client, [SAYS[0], *steps])
        if client.stopped:
            client.goes_on()
        await settled()
        outcomes = [(outcome.message, outcome.kind, outcome.value) for outcome in gateway.office.outcomes]
        counted = [gateway.count("bad_frames_total"), gateway.count("sends_total", result="ok")]
        ended = [client.closed, len(gateway.sockets.engine), len(gateway.sessions), gateway.sessions.waiting()]
        got = [without_names(frame) for frame in client.got]
    return got, [*outcomes, *counted, *ended]


async def steps_taken(gateway: InProcess, client: Client, steps: list[Any]) -> None:
    for number, step in enumerate(steps):
        match step:
            case "full" if not client.stopped and not client.closed:
                client.stops()
            case "read" if client.stopped:
                client.goes_on()
            case bytes():
                client.says(step)
            case _ if step in SAYS:
                client.says(step.replace("#", last_number(client)))
            case _:
                done(gateway, step, number)
        await settled()


def done(gateway: InProcess, step: str, number: int) -> None:
    """What the gateway does."""
    match step:
        case "message":
            gateway.forward("alice", f"m{number}")
        case "large":
            gateway.forward("alice", f"m{number}", b'{"id":"m%d","data":"%b"}' % (number, b"x" * 70_000))
        case "mixed":
            for kind in (b"\x01" * 10, None, b"\x02", None, None):
                name = f"m{number}-{gateway.sessions.ledger.forwarded}"
                gateway.forward("alice", name, b'{"id":"%b","data":null}' % name.encode(), kind)
        case "cut":
            for session in gateway.sessions.sessions_of("alice"):
                gateway.cut(session, "confirm timeout")
        case "replace":
            for session in gateway.sessions.sessions_of("alice"):
                gateway.replace(session)


def last_number(client: Client) -> str:
    numbers = [found[1] for frame in client.got if (found := re.match(r'42([0-9]+)\["message"', str(frame)))]
    return numbers[-1] if numbers else "99"


async def settled() -> None:
    """Nothing here waits for time or for sockets: what comes of a step comes within a few turns of the loop."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def without_names(frame: str | bytes) -> str | bytes:
    """Ids that are made anew each time, and the numbers of callbacks, are left out."""
    if isinstance(frame, bytes):
        return frame
    frame = re.sub(r'"sid":"[^"]*"', '"sid":""', frame)
    frame = re.sub(r'"id":"alice/[^"]*"', '"id":""', frame)
    return re.sub(r"^(42|451-)[0-9]+\[", r"\1[", frame)


@pytest.fixture
def switched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_both_ways_come_to_the_same(steps: list[Any], switched: pytest.MonkeyPatch) -> None:
    assert await history(True, steps, switched) == await history(False, steps, switched)


NAMES = st.sampled_from([b"origin", b"host", b"x-forwarded-proto", b"X-Thing", b"upgrade", b"caf\xc3\xa9", b"\xff"])
HEADERS = st.lists(st.tuples(NAMES, st.binary(max_size=6)), max_size=6)


@settings(deadline=None)
@given(HEADERS, st.text(max_size=10), st.sampled_from(["websocket.connect", "websocket.disconnect"]))
async def test_a_request_means_the_same(headers: list[tuple[bytes, bytes]], query: str, event: str) -> None:
    scope = {"type": "websocket", "path": "/socket.io/", "query_string": query.encode(), "headers": headers}

    async def receive() -> Any:
        return {"type": event}

    async def send(_message: Any) -> None: ...

    ours, theirs = await environment(scope, receive, send), await translate_request(scope, receive, send)

    assert {key: theirs[key] for key in ours} == ours
    named = {key for key in theirs if key.startswith(("HTTP_", "asgi", "wsgi.url", "QUERY", "REQUEST"))}
    assert named <= set(ours)
