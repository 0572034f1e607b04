"""Each hostile client is refused clearly, and nobody else notices: one gateway bears them all, one after the other."""

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from gateway.settings import GatewaySettings
from gateway.tokens import Claims, Refusal, Verifier
from shared import log
from shared.settings import LogFormat, LogLevel
from shared.wire import OutcomeKind
from tests.support.corpus import (
    ANSWERS,
    AUDIENCE,
    FRAMES_AFTER_LOGIN,
    FRAMES_BEFORE_LOGIN,
    LOGINS,
    REQUESTS,
    Fate,
    by_hand,
    tokens,
)
from tests.support.gateway import InProcess, closed, heard, in_process, log_in, message_heard, raw
from tests.support.services import SECRET
from tests.support.tokens import token
from tests.support.until import until
from tests.support.witness import undisturbed

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = 25
TOKENS = tokens()

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    # The gateway is to bear all examples one after the other.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def lines() -> Iterator[io.StringIO]:
    """What a gateway would log, made by the same filters."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, root.handlers, level = root.handlers, [], root.level
    with contextlib.redirect_stderr(written):
        log.configure(LogLevel.INFO, LogFormat.TEXT)
    yield written
    root.handlers, root.level = handlers, level


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(lines: io.StringIO) -> AsyncIterator[InProcess]:
    """A task of its own holds it, because a task group must end where it began."""
    loop = asyncio.get_running_loop()
    loop.set_debug(False)
    started: asyncio.Future[InProcess] = loop.create_future()
    over = asyncio.Event()

    async def hold() -> None:
        async with in_process(gateway_jwt_audience=None, gateway_send_per_second=1000) as gateway:
            started.set_result(gateway)
            await over.wait()

    task = asyncio.create_task(hold())
    yield await started
    over.set()
    await task


@pytest_asyncio.fixture(loop_scope="module")
async def gateway(running: InProcess, lines: io.StringIO) -> AsyncIterator[InProcess]:
    """After each test: nobody is left, no task was lost, nothing looks like a fault."""
    before = lines.tell()
    running.office.outcomes.clear()
    running.office.sent.clear()
    yield running
    await until(lambda: len(running.sockets.engine) == 0, "everybody gone")
    assert len(running.sessions) == 0
    said = lines.getvalue()[before:]
    assert "Traceback" not in said, said
    assert "fault" not in said, said


def named(cases: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in cases.items()])


async def works(gateway: InProcess, socket: ClientConnection, user: str) -> None:
    """The connection has a session, and brings messages and answers."""
    gateway.forward(user, "after all")
    number, message = await message_heard(socket)
    assert message == "after all"
    await socket.send(f"43{number}[]")
    await until(lambda: [o for o in gateway.office.outcomes if (o.user, o.message) == (user, "after all")], "confirmed")


# --- frames -----------------------------------------------------------------------------------


@named(FRAMES_BEFORE_LOGIN)
async def test_a_frame_of_a_stranger_closes_its_connection_or_does_nothing(
    gateway: InProcess, case: tuple[str, Fate]
) -> None:
    frame, fate = case
    leases = len(gateway.office.leases)

    async with undisturbed(gateway), raw(gateway) as socket:
        await socket.send(frame)

        if fate is Fate.CLOSED:
            assert await closed(socket) in (1000, 1005, 1008)
        else:
            assert (await log_in(socket, token("mallory"))).startswith('40{"sid":')
            await works(gateway, socket, "mallory")

    assert len([lease for lease in gateway.office.leases[leases:] if lease.user == "bob"]) == 0
    assert not gateway.office.sent


@named(FRAMES_AFTER_LOGIN)
async def test_a_frame_of_a_client_closes_its_connection_or_does_nothing(
    gateway: InProcess, case: tuple[str, Fate]
) -> None:
    frame, fate = case

    async with undisturbed(gateway), raw(gateway) as socket:
        await log_in(socket, token("mallory", send="*"))
        gateway.forward("mallory", "m1")
        number, _ = await message_heard(socket)
        await socket.send(frame.replace("{}", str(number), 1) if frame.startswith("43") else frame)

        if fate is Fate.CLOSED:
            assert await closed(socket) in (1000, 1005, 1008)
            await until(lambda: not gateway.sessions.sessions_of("mallory"), "no session")
        else:
            await works(gateway, socket, "mallory")

    assert not [o for o in gateway.office.outcomes if (o.user, o.message) == ("mallory", "m1")]
    assert not gateway.office.sent


@named(ANSWERS)
async def test_a_strange_answer_confirms_and_leaves_out_of_the_receipt_what_no_receipt_can_hold(
    gateway: InProcess, case: tuple[str, bytes, str]
) -> None:
    answer, value, detail = case

    async with undisturbed(gateway), raw(gateway) as socket:
        await log_in(socket, token("mallory"))
        gateway.forward("mallory", "m1")
        number, _ = await message_heard(socket)
        await socket.send(f"43{number}{answer}")
        await works(gateway, socket, "mallory")

    outcome = next(o for o in gateway.office.outcomes if o.user == "mallory")
    assert (outcome.kind, outcome.value, outcome.detail) == (OutcomeKind.CONFIRMED, value, detail)


async def test_nobody_can_answer_for_another_client(gateway: InProcess) -> None:
    async with undisturbed(gateway), raw(gateway) as alice, raw(gateway) as mallory:
        await log_in(alice, token("alice"))
        await log_in(mallory, token("mallory"))
        gateway.forward("alice", "m1")
        number, _ = await message_heard(alice)

        for guess in range(max(0, number - 20), number + 20):
            await mallory.send(f"43{guess}[]")
            await mallory.send(f'43{guess}[{{"error":"x"}}]')
        await works(gateway, mallory, "mallory")

        assert not [o for o in gateway.office.outcomes if o.user == "alice"]
        await alice.send(f"43{number}[]")
        await until(lambda: [o for o in gateway.office.outcomes if o.user == "alice"], "her own answer")


_kinds = st.sampled_from(["", "0", "1", "2", "3", "40", "41", "42", "43", "44", "45", "46", "4", "5", "6", "b"])
_namespaces = st.sampled_from(["", "", "", "/,", "/admin,", "/admin?x=1,", "//,", "/\0,", "/"])
_numbers = st.sampled_from(["", "", "0", "1", "00", "-1", "1.5", "9" * 15, "9" * 16, "\u0661"])
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_events = st.sampled_from(["send", "renew", "message", "connect", "disconnect", "replaced", "", "__proto__"])
_bodies = (
    st.builds(lambda event, said: json.dumps([event, *said]), _events, st.lists(_json, max_size=3))
    | st.builds(json.dumps, _json)
    | st.text(max_size=40)
)
_text_frames = st.builds("".join, st.tuples(_kinds, _namespaces, _numbers, _bodies)) | st.text(max_size=40)
_frames = _text_frames | st.binary(max_size=40)


@fuzzed
@given(conversations=st.lists(st.tuples(st.booleans(), st.lists(_frames, max_size=6)), min_size=1, max_size=4))
async def test_whatever_clients_say_nobody_else_notices(
    gateway: InProcess, conversations: list[tuple[bool, list[str | bytes]]]
) -> None:
    async with undisturbed(gateway):
        for with_login, frames in conversations:
            async with raw(gateway) as socket:
                if with_login:
                    await log_in(socket, token("mallory", send="*"))
                with contextlib.suppress(ConnectionClosed):
                    for frame in frames:
                        await socket.send(_encodable(frame))
            await until(lambda: not gateway.sessions.sessions_of("mallory"), "mallory gone")

    assert {outgoing.sender for outgoing in gateway.office.sent} <= {"mallory"}


def _encodable(frame: str | bytes) -> str | bytes:
    return frame.encode("utf-8", "replace").decode() if isinstance(frame, str) else frame


# --- logins and tokens ------------------------------------------------------------------------


@named(LOGINS)
async def test_a_login_that_is_none_is_a_bad_request(gateway: InProcess, case: str) -> None:
    async with undisturbed(gateway), raw(gateway) as socket:
        await socket.send("40" + case)

        assert refusal_code(await heard(socket)) == "bad_request"
        assert not gateway.sessions.sessions_of("mallory")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def audience() -> Verifier:
    return Verifier(GatewaySettings.model_validate({"gateway_jwt_secret": SECRET, "gateway_jwt_audience": AUDIENCE}))


@named(TOKENS)
async def test_a_token_that_is_not_for_here_lets_nobody_in(
    gateway: InProcess, audience: Verifier, monkeypatch: pytest.MonkeyPatch, case: tuple[str, str]
) -> None:
    monkeypatch.setattr(gateway.sockets, "_verifier", audience)
    bad, code = case

    async with undisturbed_without_audience(gateway, monkeypatch, audience), raw(gateway) as socket:
        await socket.send(f"40{json.dumps({'token': bad})}")
        answer = await heard(socket)

        assert refusal_code(answer) == code
        assert not bad or bad not in answer
        assert not gateway.sessions.sessions_of("mallory")


@contextlib.asynccontextmanager
async def undisturbed_without_audience(
    gateway: InProcess, monkeypatch: pytest.MonkeyPatch, audience: Verifier
) -> AsyncIterator[None]:
    """The witness logs in before the gateway wants an audience."""
    usual = Verifier(GatewaySettings.model_validate({"gateway_jwt_secret": SECRET}))
    monkeypatch.setattr(gateway.sockets, "_verifier", usual)
    async with undisturbed(gateway):
        monkeypatch.setattr(gateway.sockets, "_verifier", audience)
        yield


_header_fields = st.fixed_dictionaries(
    {"alg": st.sampled_from(["HS256", "HS512", "RS256", "none", "None", "", 7, None, ["HS256"]])},
    optional={"typ": _json, "kid": _json, "crit": _json, "b64": _json, "jwk": _json, "cty": _json},
)
_claim_fields = st.fixed_dictionaries(
    {},
    optional={
        "sub": st.text(max_size=200) | _json,
        "exp": _json | st.floats() | st.integers(),
        "nbf": _json,
        "iat": _json,
        "aud": st.just(AUDIENCE) | _json,
        "iss": _json,
        "jti": _json,
        "send": st.just("*") | st.lists(st.text()) | _json,
    },
)


@settings(fuzzed, max_examples=150)
@given(header=_header_fields | _json, claims=_claim_fields | _json, damage=st.text(max_size=3))
async def test_whatever_a_token_is_it_is_judged(audience: Verifier, header: Any, claims: Any, damage: str) -> None:
    said = await audience.verify(by_hand(json.dumps(header), json.dumps(claims)) + damage)

    if isinstance(said, Claims):
        assert isinstance(header, dict)
        assert header["alg"] == "HS256"
        assert claims["sub"] == said.user
    else:
        assert isinstance(said, Refusal)
        assert len(said.detail) < 100


def refusal_code(answer: str) -> str:
    assert answer.startswith("44"), answer
    body = json.loads(answer[2:])
    assert body["message"] == body["data"]["code"]
    assert body["data"]["detail"]
    return str(body["message"])


# --- what clients ask for ---------------------------------------------------------------------


@named(REQUESTS)
async def test_a_send_that_cannot_be_is_a_bad_request_and_reaches_no_broker(gateway: InProcess, case: str) -> None:
    async with undisturbed(gateway), raw(gateway) as socket:
        await log_in(socket, token("mallory", send="*"))
        await socket.send(f'427["send",{case}]')

        [answer] = json.loads((await heard(socket)).removeprefix("437"))
        assert (answer["ok"], answer["error"]) == (False, "bad_request")
        assert len(answer["detail"]) < 300
        await works(gateway, socket, "mallory")

    assert not gateway.office.sent


@named({**{name: {"token": bad} for name, (bad, _) in TOKENS.items()}, "another's": {"token": token("bob")}})
async def test_a_renewal_with_a_bad_token_is_refused_and_the_session_stays(
    gateway: InProcess, audience: Verifier, monkeypatch: pytest.MonkeyPatch, case: dict[str, str]
) -> None:
    async with undisturbed_without_audience(gateway, monkeypatch, audience), raw(gateway) as socket:
        await log_in(socket, token("mallory", aud=AUDIENCE))
        await socket.send(f"427{json.dumps(['renew', case])}")

        [answer] = json.loads((await heard(socket)).removeprefix("437"))
        assert answer["ok"] is False
        assert answer["error"] in ("unauthorized", "token_expired", "bad_request")
        await works(gateway, socket, "mallory")


@fuzzed
@given(requests=st.lists(st.tuples(st.sampled_from(["send", "renew"]), _json | _bodies), min_size=1, max_size=8))
async def test_whatever_is_asked_for_is_answered_or_closes_the_connection(
    gateway: InProcess, requests: list[tuple[str, Any]]
) -> None:
    async with raw(gateway) as socket:
        await log_in(socket, token("mallory", send="*"))

        for number, (event, said) in enumerate(requests):
            await socket.send(f"42{number}{json.dumps([event, said])}")
            try:
                [answer] = json.loads((await heard(socket)).removeprefix(f"43{number}"))
            except ConnectionClosed:
                break
            assert answer["ok"] is False


async def test_who_leaves_before_the_answer_to_a_thousand_sends_disturbs_nobody(gateway: InProcess) -> None:
    gateway.office.hold.clear()
    try:
        async with undisturbed(gateway):
            for _ in range(20):
                async with raw(gateway) as socket:
                    await log_in(socket, token("mallory", send="*"))
                    for number in range(50):
                        await socket.send(f'42{number}["send",{{"to":"bob","data":{number}}}]')
                    socket.transport.abort()
            await until(lambda: not gateway.sessions.sessions_of("mallory"), "mallory gone")
            gateway.office.hold.set()
    finally:
        gateway.office.hold.set()
