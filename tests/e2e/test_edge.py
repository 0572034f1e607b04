"""The limits and settings of a gateway's edge, at a gateway that has them all set."""

import asyncio
import json
import time
from collections.abc import Awaitable
from dataclasses import dataclass

import aiohttp
import pytest

from dispatcher.core.quota import SENDER_BURST
from tests.e2e.conftest import Device
from tests.support.deaf import deaf
from tests.support.node import NodeClient
from tests.support.publisher import Publisher
from tests.support.services import Service, Services
from tests.support.tokens import token
from tests.support.until import until

AUDIENCE, ISSUER, ORIGIN = "letters", "https://issuer.example", "https://app.example"
MESSAGE_BYTES = 100_000
SENDS = 50
SETTINGS = {
    "GATEWAY_PATH": "/post/socket.io",
    "GATEWAY_NAMESPACE": "/letters",
    "GATEWAY_TRANSPORTS": "polling,websocket",
    "GATEWAY_JWT_AUDIENCE": AUDIENCE,
    "GATEWAY_JWT_ISSUER": ISSUER,
    "GATEWAY_JWT_USER_CLAIM": "email",
    "GATEWAY_CORS_ORIGINS": ORIGIN,
    "GATEWAY_SEND_PER_SECOND": str(SENDS),
    "MAX_MESSAGE_BYTES": str(MESSAGE_BYTES),
}


@dataclass(frozen=True)
class Edge:
    """A gateway with all of its edge set, and what a client of it needs to know."""

    gateway: Service
    dispatcher: Service

    @property
    def url(self) -> str:
        """As the stock client wants it: the path is the namespace."""
        return f"{self.gateway.url}/letters"

    def http(self, transport: str) -> str:
        return f"{self.gateway.url}/post/socket.io/?EIO=4&transport={transport}"


def ticket(user: str, **claims: object) -> str:
    """A token with all that this gateway wants."""
    return token("nobody", **{"email": user, "aud": AUDIENCE, "iss": ISSUER, **claims})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lasting_edge(lasting: Services) -> Edge:
    return Edge(*asyncio.run(lasting.pair(**SETTINGS)))


@pytest.fixture
def edge(lasting_edge: Edge, lasting: Services) -> Edge:
    """Asks for `lasting` too, so that a test that fails shows its logs."""
    return lasting_edge


def options(*transports: str) -> dict[str, object]:
    return {"path": "/post/socket.io/", "transports": list(transports)}


@pytest.fixture
def phone(device: Device, alice: str) -> NodeClient:
    return _phone(device, alice, "polling", "websocket")


def _phone(device: Device, user: str, *transports: str) -> NodeClient:
    made = device("phone", user)
    assert isinstance(made, NodeClient)
    made.options = options(*transports)
    return made


@pytest.mark.parametrize("transports", [("polling",), ("websocket",), ("polling", "websocket")], ids="+".join)
async def test_messages_are_delivered_and_confirmed_over_each_transport(
    edge: Edge, publisher: Publisher, device: Device, alice: str, transports: tuple[str, ...]
) -> None:
    await publisher.burst(alice, [f"m{n}" for n in range(20)])
    phone = _phone(device, alice, *transports)
    await phone.connect(edge.url, ticket(alice, send="*"))
    await phone.received([f"m{n}" for n in range(20)])
    await publisher.burst(alice, [f"n{n}" for n in range(100)])
    await phone.received([f"n{n}" for n in range(100)])

    await publisher.waits(alice, 0)
    assert phone.ids == [f"m{n}" for n in range(20)] + [f"n{n}" for n in range(100)]
    assert (await phone.send(alice, "to myself"))["ok"] is True
    assert len(phone.sessions) == 1


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"aud": "elsewhere"}, id="another audience"),
        pytest.param({"iss": "https://elsewhere.example"}, id="another issuer"),
        pytest.param({"email": None}, id="no user"),
        pytest.param({"email": "no user id"}, id="no user id"),
    ],
)
async def test_a_token_lacks_nothing_that_is_set(
    edge: Edge, phone: NodeClient, alice: str, claims: dict[str, object]
) -> None:
    await phone.connect(edge.url, ticket(alice, **claims))
    await until(lambda: phone.refusals, "a refusal")

    assert phone.refusals[0][0] == "unauthorized"


async def test_the_user_is_whom_the_claim_that_is_set_names(
    edge: Edge, publisher: Publisher, phone: NodeClient, alice: str
) -> None:
    await publisher.publish(alice, 1, id="m1")

    await phone.connect(edge.url, ticket(alice))

    await phone.received(["m1"])


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_page_of_another_origin_is_refused(edge: Edge, transport: str) -> None:
    async with aiohttp.ClientSession() as http:

        async def status(origin: str) -> int:
            headers = {"Origin": origin}
            if transport == "polling":
                async with http.get(edge.http(transport), headers=headers) as answer:
                    return answer.status
            try:
                async with http.ws_connect(edge.http(transport), headers=headers):
                    return 200
            except aiohttp.WSServerHandshakeError as err:
                return err.status

        assert await status(ORIGIN) == 200
        assert await status("https://elsewhere.example") in (400, 403)
        assert await status(edge.gateway.url) in (400, 403)  # what is set takes the place of the same origin


async def test_who_does_not_log_in_within_ten_seconds_is_closed(edge: Edge) -> None:
    async def by_websocket(http: aiohttp.ClientSession) -> None:
        async with http.ws_connect(edge.http("websocket"), headers={"Origin": ORIGIN}) as socket:
            while (said := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                if said.data == "2":
                    await socket.send_str("3")

    async def by_polling(http: aiohttp.ClientSession) -> None:
        async with http.get(edge.http("polling")) as answer:
            opened = json.loads((await answer.text())[1:])
        poll, packets = f"{edge.http('polling')}&sid={opened['sid']}", [""]
        while "1" not in packets:
            async with http.get(poll) as answer:
                assert answer.status == 200
                packets = (await answer.text()).split("\x1e")
            if "2" in packets and "1" not in packets:
                async with http.post(poll, data="3"):
                    pass

    async def seconds(closed: Awaitable[None]) -> float:
        began = time.monotonic()
        async with asyncio.timeout(30):
            await closed
        return time.monotonic() - began

    async with aiohttp.ClientSession() as http:
        took = await asyncio.gather(seconds(by_websocket(http)), seconds(by_polling(http)))

    assert all(9 < each < 25 for each in took), took


async def test_too_large_and_too_many_messages_are_refused_by_name(edge: Edge, phone: NodeClient, alice: str) -> None:
    await phone.connect(edge.url, ticket(alice, send="*"))
    await phone.online()

    large = await phone.send(alice, "x" * MESSAGE_BYTES)
    answers = await asyncio.gather(*(phone.send(alice, n) for n in range(8 * SENDS)))

    assert (large["ok"], large["error"]) == (False, "too_large")
    assert {answer.get("error") for answer in answers} == {None, "rate_limited"}
    assert sum(answer["ok"] is True for answer in answers) >= 2 * SENDS - 1
    assert phone.connected
    assert not phone.disconnects


async def test_a_token_ends_and_is_renewed_over_polling_too(edge: Edge, device: Device, alice: str, bob: str) -> None:
    phone, laptop = _phone(device, alice, "polling"), _phone(device, bob, "polling")
    await phone.connect(edge.url, ticket(alice, lives_seconds=12))
    await laptop.connect(edge.url, ticket(bob, lives_seconds=12))
    await phone.online()
    await laptop.online()

    assert (await phone.renew(ticket(alice)))["ok"] is True

    await until(lambda: laptop.refusals, "the end of bob's token", 40)
    assert laptop.refusals[0][0] == "token_expired"
    assert phone.connected
    assert not phone.disconnects


async def test_a_client_that_writes_to_too_many_strangers_loses_no_message_and_makes_no_more_queues(
    edge: Edge, publisher: Publisher, phone: NodeClient, alice: str
) -> None:
    await phone.connect(edge.url, ticket(alice, send="*"))
    await phone.online()

    for n in range(SENDER_BURST):
        assert (await phone.send(f"{alice}.friend{n}", n))["ok"] is True
    answer = await phone.send(f"{alice}.stranger", "hello", id="1")

    assert answer == {"ok": True, "id": f"{alice}/1"}  # the broker holds it
    [letter] = await publisher.dead_letters(f"{alice}.stranger")
    assert (letter["reason"], letter["from"], letter["body"]) == ("over_quota", alice, b'"hello"')
    assert await publisher.waiting(f"user.{alice}.stranger") is None
    assert "too many are for users who have no queue" in edge.dispatcher.log.read_text()


async def test_a_gateway_with_clients_that_do_not_read_drains_and_ends(services: Services) -> None:
    gateway, _ = await services.pair(GATEWAY_DRAIN_SECONDS="1")
    async with Publisher(services.broker_url) as publisher, deaf(gateway.port, "mallory"):
        for n in range(32):
            await publisher.publish("mallory", "x" * 200_000, id=f"m{n}")
        # All that the window admits has been sent to it, more than TCP takes.
        await publisher.waits("mallory", 0)
        began = time.monotonic()

        gateway.terminate()

        assert await gateway.ended() == 0
        assert time.monotonic() - began < 20
        await publisher.waits("mallory", 32)
    assert "Traceback" not in gateway.log.read_text()
