"""What clients do beside receiving: log in, send, renew, and have too many devices."""

import pytest

from tests.e2e.conftest import ClientKind, Device, Pair
from tests.support.client import Seen
from tests.support.publisher import Publisher
from tests.support.services import Service, Services
from tests.support.tokens import token
from tests.support.until import until


async def test_a_wrong_token_is_refused_for_good(
    gateway: Service, device: Device, kind: ClientKind, alice: str
) -> None:
    phone = device("phone", alice, kind)

    await phone.connect(gateway.url, "no-token")
    await until(lambda: phone.refusals, "a refusal")

    [(message, said)] = phone.refusals
    assert message == "unauthorized"
    assert isinstance(said, dict)
    assert said["code"] == "unauthorized"
    assert said["detail"]
    assert not phone.sessions


async def test_an_expired_token_is_refused_with_a_code_of_its_own(
    gateway: Service, device: Device, kind: ClientKind, alice: str
) -> None:
    phone = device("phone", alice, kind)

    await phone.connect(gateway.url, token(alice, lives_seconds=-600))
    await until(lambda: phone.refusals, "a refusal")

    assert [message for message, _ in phone.refusals] == ["token_expired"]


@pytest.mark.parametrize("user", ["", "no spaces", "x" * 129])
async def test_a_token_without_a_possible_user_is_refused(
    gateway: Service, device: Device, alice: str, user: str
) -> None:
    phone = device("phone", alice)

    await phone.connect(gateway.url, token(user))
    await until(lambda: phone.refusals, "a refusal")

    assert phone.refusals[0][0] in ("unauthorized", "bad_request")


async def test_too_long_a_seen_is_refused(gateway: Service, device: Device, alice: str) -> None:
    phone = device("phone", alice)

    await phone.connect(gateway.url, token(alice), seen=[f"m{n}" for n in range(257)])
    await until(lambda: phone.refusals, "a refusal")

    assert phone.refusals[0][0] == "bad_request"


async def test_a_connection_ends_with_its_token_unless_the_client_renews_it(
    gateway: Service, publisher: Publisher, device: Device, alice: str, bob: str
) -> None:
    phone, laptop = device("phone", alice), device("laptop", bob)
    await phone.connect(gateway.url, token(alice, lives_seconds=6))
    await laptop.connect(gateway.url, token(bob, lives_seconds=6))
    await phone.online()
    await laptop.online()

    answer = await phone.renew(token(alice))

    assert answer["ok"] is True
    assert answer["expires"]
    await until(lambda: laptop.refusals, "the end of bob's token")
    assert laptop.disconnects[0] == "transport close"
    assert laptop.refusals[0][0] == "token_expired"
    assert phone.connected
    assert not phone.disconnects


async def test_a_token_of_somebody_else_renews_nothing(gateway: Service, device: Device, alice: str, bob: str) -> None:
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    answer = await phone.renew(token(bob))

    assert answer["ok"] is False


async def test_one_client_sends_to_another(
    gateway: Service, publisher: Publisher, device: Device, kind: ClientKind, alice: str, bob: str
) -> None:
    phone, laptop = device("phone", alice, kind), device("laptop", bob)
    await phone.connect(gateway.url, token(alice, send=[bob]))
    await laptop.connect(gateway.url, token(bob))
    await phone.online()
    await laptop.online()

    answer = await phone.send(bob, {"text": "hi"}, id="1", type="chat")
    await laptop.received([f"{alice}/1"])

    assert answer == {"ok": True, "id": f"{alice}/1"}
    [message] = laptop.messages
    assert (message.sender, message.type, message.data) == (alice, "chat", {"text": "hi"})


async def test_a_client_sends_to_a_user_who_never_connected(
    gateway: Service, publisher: Publisher, device: Device, alice: str, bob: str
) -> None:
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice, send="*"))
    await phone.online()

    answer = await phone.send(bob, "welcome")
    laptop = device("laptop", bob)
    await laptop.connect(gateway.url, token(bob))
    await laptop.received([str(answer["id"])])

    assert laptop.messages[0].data == "welcome"


async def test_the_same_id_sent_twice_arrives_once(
    gateway: Service, publisher: Publisher, device: Device, alice: str, bob: str
) -> None:
    phone, laptop = device("phone", alice), device("laptop", bob)
    await phone.connect(gateway.url, token(alice, send="*"))
    await phone.online()
    await laptop.connect(gateway.url, token(bob), seen=Seen.CONFIRMED)
    await laptop.online()

    for _ in range(2):
        assert (await phone.send(bob, "once", id="1"))["ok"] is True
    await phone.send(bob, "last", id="2")
    await laptop.received([f"{alice}/2"])

    assert laptop.ids == [f"{alice}/1", f"{alice}/2"]


async def test_a_client_may_send_only_to_whom_its_token_names(
    gateway: Service, device: Device, alice: str, bob: str
) -> None:
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice, send=["carol"]))
    await phone.online()

    answer = await phone.send(bob, "let me in")

    assert (answer["ok"], answer["error"]) == (False, "forbidden")


async def test_a_send_that_makes_no_sense_is_a_bad_request(gateway: Service, device: Device, alice: str) -> None:
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice, send="*"))
    await phone.online()

    for to, more in (("", {}), ("no spaces", {}), (alice, {"ttl": -1}), (alice, {"id": 7})):
        answer = await phone.send(to, "?", **more)
        assert (answer["ok"], answer["error"]) == (False, "bad_request"), (to, more)
    assert phone.connected


async def test_a_user_with_too_many_devices_loses_the_oldest(services: Services, device: Device, alice: str) -> None:
    gateway, _ = await services.pair(GATEWAY_MAX_SESSIONS_PER_USER="2")
    phones = [device(f"phone {n}", alice) for n in range(3)]

    for phone in phones:
        await phone.connect(gateway.url, token(alice))
        await phone.online()
    await until(lambda: phones[0].disconnects, "the oldest replaced")

    assert (phones[0].replaced, phones[0].disconnects) == (1, ["io server disconnect"])
    assert [phone.connected for phone in phones] == [False, True, True]


async def test_the_page_that_watches_a_gateway_sees_its_sessions(
    lasting_pair: Pair, device: Device, alice: str
) -> None:
    gateway, dispatcher = lasting_pair
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    for service in (gateway, dispatcher):
        assert await service.get("/healthz") == (200, "alive\n")
        status, text = await service.get("/metrics")
        assert status == 200
        assert "restante_" in text
