"""restante's own JavaScript client in Node: what it sends, and its logins."""

import asyncio
from pathlib import Path

import pytest

from tests.support.balancer import Balancer
from tests.support.page import NodePage
from tests.support.publisher import Publisher
from tests.support.services import Service, Services, free_port
from tests.support.tokens import is_over, token
from tests.support.until import until

pytestmark = pytest.mark.usefixtures("node")

MINUTE_SECONDS = 60.0


async def test_what_was_sent_while_the_server_was_away_survives_a_reload_and_arrives_once_in_order(
    gateway: Service, publisher: Publisher, alice: str, bob: str, tmp_path: Path
) -> None:
    ids = [f"order-{number}" for number in range(20)]
    port = free_port()
    async with NodePage(f"http://127.0.0.1:{port}", alice, [token(alice, send="*")], tmp_path / "storage") as page:
        await page.open()
        for number, message in enumerate(ids):
            await page.tell("send", to=bob, data={"n": number}, options={"id": message})
        await page.tell("outbox")
        await page.says("outbox", ids=ids)
    async with (
        Balancer([gateway.port], port) as balancer,
        NodePage(balancer.url, alice, [token(alice, send="*")], tmp_path / "storage") as page,
        NodePage(gateway.url, bob, [token(bob)]) as other,
    ):
        await other.open()
        await page.open()

        await page.says("left", id=ids[-1], error=None)

        await other.says("handled", id=f"{alice}/{ids[-1]}")
        assert other.ids("began") == [f"{alice}/{message}" for message in ids]
        await page.tell("outbox")
        await page.says("outbox", ids=[])
        await publisher.waits(bob, 0)
    assert "order" not in (tmp_path / "storage").read_text()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_server_that_is_gone_for_a_minute_loses_and_repeats_nothing_either_way(
    gateway: Service, publisher: Publisher, alice: str, bob: str
) -> None:
    port, ids = free_port(), [f"m{number}" for number in range(20)]
    async with (
        NodePage(f"http://127.0.0.1:{port}", alice, [token(alice, send="*")]) as page,
        NodePage(gateway.url, bob, [token(bob)]) as other,
    ):
        await other.open()
        async with Balancer([gateway.port], port):
            await page.open()
            await page.says("state", state="online")
            await publisher.publish(alice, "before", id="before")
            await page.says("handled", id="before")
        gone = asyncio.get_running_loop().time()
        await page.says("state", state="offline")
        await publisher.burst(alice, ids)
        await page.tell("send", to=bob, data=1, options={"id": "letter"})

        await asyncio.sleep(gone + MINUTE_SECONDS - asyncio.get_running_loop().time())  # which is what is tried here
        assert page.ids("handled") == ["before"]
        async with Balancer([gateway.port], port):
            await page.says("handled", id=ids[-1])
            await other.says("handled", id=f"{alice}/letter")
            await publisher.waits(alice, 0)

        assert page.ids("began") == ["before", *ids]
        assert other.ids("began") == [f"{alice}/letter"]


async def test_two_pages_that_find_one_outbox_send_it_once_in_effect(
    gateway: Service, alice: str, bob: str, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    mine = [token(alice, send="*")]
    async with NodePage(f"http://127.0.0.1:{free_port()}", alice, mine, first) as page:
        await page.open()
        await page.tell("send", to=bob, data=1, options={"id": "m1"})
        await page.tell("outbox")
        await page.says("outbox", ids=["m1"])
    second.write_bytes(first.read_bytes())
    async with (
        NodePage(gateway.url, alice, mine, first) as one,
        NodePage(gateway.url, alice, mine, second) as two,
        NodePage(gateway.url, bob, [token(bob)]) as other,
    ):
        await asyncio.gather(one.open(), two.open(), other.open())
        await asyncio.gather(one.says("left", id="m1"), two.says("left", id="m1"))
        await one.tell("send", to=bob, data=2, options={"id": "m2"})
        await other.says("handled", id=f"{alice}/m2")

        assert other.ids("began") == [f"{alice}/m1", f"{alice}/m2"]


@pytest.mark.parametrize(
    ("to", "data", "options", "code"),
    [
        ("carol", 1, {}, "forbidden"),
        ("no user", 1, {}, "bad_request"),
        ("bob", "x" * 300_000, {}, "too_large"),
        ("bob", 1, {"ttl": 0.000001}, "expired"),
    ],
)
async def test_what_can_never_be_sent_is_given_up(
    gateway: Service, alice: str, to: str, data: object, options: dict[str, object], code: str
) -> None:
    async with NodePage(gateway.url, alice, [token(alice, send=["bob"])]) as page:
        await page.open()
        await page.tell("send", to=to, data=data, options={"id": "m1", **options})

        await page.says("not sent", id="m1", error=code)

        await page.tell("outbox")
        await page.says("outbox", ids=[])


async def test_what_is_no_json_is_given_up(gateway: Service, alice: str) -> None:
    async with NodePage(gateway.url, alice, [token(alice, send="*")]) as page:
        await page.open()
        await page.tell("send", to="bob", big="1", options={"id": "m1"})

        await page.says("not sent", id="m1", error="bad_request")


async def test_more_than_the_gateway_allows_a_second_arrives_all_the_same(
    services: Services, alice: str, bob: str
) -> None:
    gateway, _ = await services.pair(GATEWAY_SEND_PER_SECOND="5")
    users = [f"{bob}.{number}" for number in range(12)]  # lines of their own, so that they go at once
    async with NodePage(gateway.url, alice, [token(alice, send="*")]) as page:
        await page.open()
        await page.says("state", state="online")
        for user in users:
            await page.tell("send", to=user, data=1, options={"id": f"for-{user}"})

        for user in users:
            await page.says("sent", id=f"{alice}/for-{user}")


async def test_a_token_is_renewed_before_its_end_without_a_reconnect(
    gateway: Service, publisher: Publisher, alice: str
) -> None:
    tokens = [token(alice, lives_seconds=6), token(alice, lives_seconds=3600)]
    async with NodePage(gateway.url, alice, tokens) as page:
        await page.open()
        await page.says("token", times=2)
        await until(lambda: is_over(tokens[0]), "the first token's end, where without a renewal the gateway closes")
        await publisher.publish(alice, 1, id="m1")

        await page.says("handled", id="m1")

        assert len(page.all("connect")) == 1
        assert not page.all("disconnect")


async def test_an_expired_token_is_replaced_and_the_page_comes_back(gateway: Service, alice: str) -> None:
    tokens = [token(alice, lives_seconds=-5), token(alice)]
    async with NodePage(gateway.url, alice, tokens) as page:
        await page.open()

        await page.says("state", state="online")

        assert not page.all("error")


async def test_a_login_that_fails_is_tried_again(gateway: Service, alice: str) -> None:
    async with NodePage(gateway.url, alice, ["", token(alice)]) as page:
        await page.open()

        await page.says("state", state="online")

        assert [said["text"] for said in page.all("error")] == ["the login is away"]


async def test_a_login_that_is_refused_for_good_stops(gateway: Service, alice: str) -> None:
    async with NodePage(gateway.url, alice, ["no token"]) as page:
        await page.open()

        await page.says("error", text="unauthorized")
        await page.tell("tokens", tokens=[token(alice)])
        await page.tell("connect")
        await page.says("state", state="online")


async def test_a_page_that_was_replaced_stays_away(services: Services, alice: str) -> None:
    gateway, _ = await services.pair(GATEWAY_MAX_SESSIONS_PER_USER="1")
    async with (
        NodePage(gateway.url, alice, [token(alice)]) as first,
        NodePage(gateway.url, alice, [token(alice)]) as second,
    ):
        await first.open()
        await first.says("state", state="online")
        await second.open()

        await first.says("state", state="offline", reason="replaced", stopped=True)
        await second.says("state", state="online")
        assert len(first.all("connect")) == 1
