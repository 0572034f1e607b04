"""Keys that are fetched: cached, read again for a new key, and believed while their issuer is away, slow or mad."""

import asyncio
import json
import time
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed

from gateway import keys
from tests.support.gateway import InProcess, heard, in_process, raw
from tests.support.issuer import Issuer, Manner, issuing
from tests.support.services import Services
from tests.support.until import until

BAD = [manner for manner in Manner if manner is not Manner.WELL]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as started:
        started.new_key("first")
        yield started


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience is short."""
    for name, seconds in (("REFRESH", 0.3), ("MOST_PAUSE", 0.6), ("WAIT", 0.5), ("FETCH_TIMEOUT", 0.5), ("GIVE_UP", 1)):
        monkeypatch.setattr(keys, f"{name}_SECONDS", seconds)


async def answer(gateway: InProcess, token: str) -> str:
    """To a login: `in`, the code of a refusal, or `closed`."""
    async with raw(gateway) as socket:
        await socket.send(f"40{json.dumps({'token': token})}")
        try:
            said = await heard(socket)
        except ConnectionClosed:
            return "closed"
    return "in" if said.startswith('40{"sid"') else str(json.loads(said[2:])["message"])


async def let_in(gateway: InProcess, token: str) -> None:
    """A client that comes again until it is told something for good."""
    deadline = time.monotonic() + 15
    while (said := await answer(gateway, token)) == "closed":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert said == "in"


async def test_a_new_key_is_fetched_when_the_first_token_with_it_comes(issuer: Issuer, soon: None) -> None:
    async with in_process(gateway_jwt_secret=None, gateway_jwks_url=issuer.url) as gateway:
        for _ in range(20):
            assert await answer(gateway, issuer.token("alice", "first")) == "in"
        assert issuer.reads == 1

        issuer.new_key("second")
        await let_in(gateway, issuer.token("bob", "second"))

        assert issuer.reads == 2


async def test_made_up_key_ids_cause_no_flood_of_fetches_and_disturb_no_known_key(issuer: Issuer) -> None:
    async with in_process(gateway_jwt_secret=None, gateway_jwks_url=issuer.url) as gateway:
        assert await answer(gateway, issuer.token("alice", "first")) == "in"
        with issuing() as mallory:
            for number in range(200):
                mallory.new_key(f"made up {number}")
            made_up = [mallory.token("alice", f"made up {number}") for number in range(200)]

        said = await asyncio.gather(*(answer(gateway, token) for token in made_up))

        assert set(said) <= {"closed", "unauthorized"}
        assert await answer(gateway, issuer.token("alice", "first")) == "in"
        assert issuer.reads <= 3


@pytest.mark.parametrize("manner", BAD)
async def test_known_keys_outlive_an_issuer_that_fails_and_new_ones_come_when_it_is_well(
    issuer: Issuer,
    soon: None,
    manner: Manner,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def logged() -> str:  # by then another test of this process may have configured the log
        return capsys.readouterr().out + caplog.text

    async with in_process(gateway_jwt_secret=None, gateway_jwks_url=issuer.url) as gateway:
        assert await answer(gateway, issuer.token("alice", "first")) == "in"
        issuer.new_key("second")
        issuer.manner = manner
        began = time.monotonic()

        while issuer.reads < 2:
            assert await answer(gateway, issuer.token("bob", "second")) == "closed"  # it may come again
        assert await answer(gateway, issuer.token("alice", "first")) == "in"

        assert time.monotonic() - began < 10
        await until(lambda: "cannot read the JWKS" in logged(), "a line in the log")

        issuer.manner = Manner.WELL
        issuer.free.set()
        await let_in(gateway, issuer.token("bob", "second"))


@pytest.mark.parametrize("manner", [Manner.ERROR, Manner.NO_HTTP, Manner.HANG])
async def test_an_issuer_that_fails_from_the_start_ends_no_gateway(
    broker_url: str, tmp_path_factory: pytest.TempPathFactory, issuer: Issuer, manner: Manner
) -> None:
    issuer.manner = manner
    services = Services(broker_url, tmp_path_factory.mktemp("services"))
    try:
        services.dispatcher()
        gateway = services.gateway(GATEWAY_JWT_SECRET="", GATEWAY_JWKS_URL=issuer.url)
        await gateway.not_ready()
        await until(lambda: "cannot read the JWKS" in gateway.log.read_text(), "a line in the log", 40)
        assert (await gateway.get("/readyz"))[0] == 503

        issuer.manner = Manner.WELL
        issuer.free.set()
        await gateway.ready(seconds=60)
        assert "Traceback" not in gateway.log.read_text()

        issuer.manner = Manner.HANG
        gateway.terminate()
        assert await gateway.ended() == 0
    finally:
        await services.end()
