"""shared/client: restante's own client for Python programs, against both services."""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from shared.client import Client, Message, NotSent, State, Stopped
from tests.support.balancer import Balancer
from tests.support.load import Bound
from tests.support.publisher import Publisher
from tests.support.services import Service, Services, free_port
from tests.support.tokens import is_over, token
from tests.support.until import until

MESSAGES = 1000
FAULTS = 6


def logins(*tokens: str) -> Callable[[], Awaitable[str]]:
    """Each login takes the next; the last one lasts."""
    left = list(tokens)

    async def fetch() -> str:
        return left.pop(0) if len(left) > 1 else left[0]

    return fetch


async def one(client: Client, *, seconds: float = 30.0) -> Message:
    async with asyncio.timeout(seconds):
        return await anext(client)


async def test_messages_are_confirmed_with_a_value_and_refused_with_a_reason(
    gateway: Service, publisher: Publisher, alice: str
) -> None:
    receipts = await publisher.bind_receipts(alice)
    await publisher.publish(alice, {"n": 1}, id="m1", reply_to=alice, correlation_id="c1")
    await publisher.publish(alice, {"n": 2}, id="m2", reply_to=alice, correlation_id="c2")
    async with Client(gateway.url, token=token(alice)) as client:
        first = await one(client)
        await first.confirm({"paid": True})
        await (await one(client)).refuse("no such order")

        told = [(await receipts.get())[1] for _ in range(2)]

    assert (first.id, first.data) == ("m1", {"n": 1})
    assert [(receipt["outcome"], receipt["value"], receipt["detail"]) for receipt in told] == [
        ("confirmed", {"paid": True}, ""),
        ("refused", None, "no such order"),
    ]
    await publisher.waits(alice, 0)


async def test_what_is_confirmed_at_last_is_confirmed_before_the_client_leaves(
    gateway: Service, publisher: Publisher, alice: str
) -> None:
    receipts = await publisher.bind_receipts(alice)
    await publisher.publish(alice, 1, id="m1", reply_to=alice, correlation_id="c1")
    async with Client(gateway.url, token=token(alice)) as client:
        await (await one(client)).confirm("bye")

    assert (await receipts.get())[1]["value"] == "bye"


async def test_a_program_that_takes_one_message_and_leaves_is_handed_the_next_one_when_it_comes_back(
    gateway: Service, publisher: Publisher, alice: str
) -> None:
    await publisher.burst(alice, ids := [f"m{n}" for n in range(1, 11)])
    taken = []
    for _ in ids:
        async with Client(gateway.url, token=token(alice)) as client:
            taken.append(message := await one(client))
            await message.confirm()

    assert [message.id for message in taken] == ids


async def test_a_program_that_is_started_anew_is_handed_only_what_it_has_not_handled(
    gateway: Service, publisher: Publisher, alice: str, tmp_path: Path
) -> None:
    file = tmp_path / "client.json"
    await publisher.publish(alice, 1, id="m1")
    async with Client(gateway.url, token=token(alice), file=file) as client:
        await (await one(client)).confirm()

    await publisher.publish(alice, 1, id="m1")  # as a publisher that did not hear the broker's confirm
    await publisher.publish(alice, 2, id="m2")

    async with Client(gateway.url, token=token(alice), file=file) as client:
        assert (await one(client)).id == "m2"


async def test_what_was_sent_while_no_gateway_was_there_survives_a_restart_and_arrives_once_in_order(
    gateway: Service, alice: str, bob: str, tmp_path: Path
) -> None:
    file = tmp_path / "client.json"
    mine = token(alice, send="*")
    async with Client(f"http://127.0.0.1:{free_port()}", token=mine, file=file) as client:
        sending = [asyncio.create_task(client.send(bob, number, id=f"m{number}")) for number in range(10)]
        await until(lambda: client.waiting_to_be_sent == 10, "all in the outbox")
    told = await asyncio.gather(*sending, return_exceptions=True)
    assert {(type(error), getattr(error, "code", "")) for error in told} == {(NotSent, "closed")}

    async with (
        Client(gateway.url, token=mine, file=file) as client,
        Client(gateway.url, token=token(bob)) as other,
    ):
        assert await client.send(bob, "last", id="last") == f"{alice}/last"
        came = [await one(other) for _ in range(11)]

    assert [message.data for message in came] == [*range(10), "last"]
    assert {message.sender for message in came} == {alice}


@pytest.mark.parametrize(
    ("to", "data", "ttl", "code"),
    [
        ("carol", 1, None, "forbidden"),
        ("bob", "x" * 300_000, None, "too_large"),
        ("bob", object(), None, "bad_request"),
        ("bob", 1, 0.0000001, "expired"),
        ("bob", 1, math.nan, "bad_request"),
        ("bob", 1, math.inf, "bad_request"),
    ],
)
async def test_what_can_never_be_sent_is_given_up(
    gateway: Service, alice: str, to: str, data: object, ttl: float | None, code: str
) -> None:
    async with Client(gateway.url, token=token(alice, send=["bob"])) as client:
        with pytest.raises(NotSent) as caught:
            await client.send(to, data, ttl=ttl)

        assert caught.value.code == code
        assert client.waiting_to_be_sent == 0


async def test_a_token_is_renewed_before_its_end_and_an_expired_one_replaced(
    gateway: Service, publisher: Publisher, alice: str
) -> None:
    states: list[State] = []
    short = token(alice, lives_seconds=6)
    logged_in_with = logins(token(alice, lives_seconds=-5), short, token(alice))
    async with Client(gateway.url, token=logged_in_with, on_state=states.append) as client:
        await until(lambda: client.state is State.ONLINE, "online")
        await until(lambda: is_over(short), "the second token's end, where without a renewal the gateway closes")
        await publisher.publish(alice, 1, id="m1")
        await (await one(client)).confirm()

        assert states == [State.CATCHING_UP, State.ONLINE]


async def test_a_login_that_is_refused_for_good_ends_the_iteration_and_what_waits(gateway: Service) -> None:
    async with Client(gateway.url, token="no token") as client:
        with pytest.raises(Stopped, match="unauthorized"):
            await one(client)
        with pytest.raises(Stopped, match="unauthorized"):
            await client.send("bob", 1)


async def test_a_client_that_was_replaced_stays_away(services: Services, alice: str) -> None:
    gateway, _ = await services.pair(GATEWAY_MAX_SESSIONS_PER_USER="1")
    async with Client(gateway.url, token=token(alice)) as first:
        await until(lambda: first.state is State.ONLINE, "online")
        async with Client(gateway.url, token=token(alice)) as second:
            with pytest.raises(Stopped, match="replaced"):
                await one(first)
            await until(lambda: second.state is State.ONLINE, "online")


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_thousand_messages_are_each_handled_once_whatever_goes_wrong(
    services: Services, publisher: Publisher, alice: str, bound: Bound, tmp_path: Path
) -> None:
    chance = random.Random(11)  # noqa: S311 -- a seed, not a secret
    first, _ = await services.pair()
    second = services.gateway()
    await second.ready()
    handled: list[int] = []
    fetched = 0

    async def fetch() -> str:
        nonlocal fetched
        fetched += 1
        return token(alice, lives_seconds=8)

    async def handle(url: str) -> None:
        async with Client(url, token=fetch, file=tmp_path / "client.json") as client:
            async for message in client:
                await asyncio.sleep(chance.random() / 200)
                handled.append(message.data)  # and nothing suspends between this and the confirmation
                await message.confirm()

    async def publish() -> None:
        for number in range(MESSAGES):
            if number == MESSAGES - 100:
                await broken_enough.wait()
            await publisher.publish_surely(alice, number, id=f"m{number}")
            await asyncio.sleep(chance.random() / 100)

    broken_enough = asyncio.Event()
    faults: list[str] = []
    async with Balancer([first.port, second.port]) as balancer:
        handling = asyncio.create_task(handle(balancer.url))
        await bound(alice)  # the order of what comes before is not promised
        publishing = asyncio.create_task(publish())
        while not publishing.done() or len(handled) < MESSAGES:
            fault = chance.choice(["restart", "cut", "cut", "freeze", "away"])
            faults.append(fault)
            match fault:
                case "restart":
                    handling.cancel()
                    await asyncio.wait({handling})
                    handling = asyncio.create_task(handle(balancer.url))
                case "cut":
                    await balancer.cut()
                case "freeze":
                    first.pause()
                    await asyncio.sleep(chance.random())
                    first.resume()
                case "away":
                    balancer.ports.reverse()
                    await balancer.cut()
            await asyncio.sleep(chance.random() * 2)
            if len(faults) == FAULTS:
                broken_enough.set()
        await publishing
        await publisher.waits(alice, 0)
        handling.cancel()
        await asyncio.wait({handling})
    assert handled == list(range(MESSAGES))
