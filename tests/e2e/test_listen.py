"""`restante listen` and `publish --receipt` against both services: a client and a caller at the keyboard."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command import Listener, typed
from tests.support.publisher import Publisher
from tests.support.services import Service, Services

Listen = Callable[..., Listener]


@pytest.fixture
def listen(gateway: Service, tmp_path: Path) -> Iterator[Listen]:
    started: list[Listener] = []

    def start(user: str, *words: str) -> Listener:
        started.append(Listener(gateway.url, tmp_path, user, *words))
        return started[-1]

    yield start
    for listener in started:
        listener.kill()


async def test_listening_shows_what_waited_and_confirms_it(publisher: Publisher, listen: Listen, alice: str) -> None:
    await publisher.burst(alice, ["m1", "m2", "m3"])

    listener = listen(alice)

    await listener.shown("m1", "m2", "m3")
    assert await listener.ctrl_c() == 0
    assert "3 messages received, 3 answered." in listener.notes
    await publisher.waits(alice, 0)


async def test_listening_ends_after_a_count_and_leaves_the_rest(
    publisher: Publisher, listen: Listen, alice: str
) -> None:
    await publisher.burst(alice, ["m1", "m2", "m3"])

    listener = listen(alice, "--count", "2")

    assert await listener.ended() == 0
    assert listener.ids == ["m1", "m2"]
    await publisher.waits(alice, 1)


async def test_what_waits_can_be_worked_off_one_by_one(publisher: Publisher, listen: Listen, alice: str) -> None:
    await publisher.burst(alice, ids := [f"m{n}" for n in range(1, 6)])

    for nth in ids:
        listener = listen(alice, "--count", "1")
        assert await listener.ended() == 0
        assert listener.ids == [nth]

    await publisher.waits(alice, 0)


async def test_what_is_not_confirmed_stays(publisher: Publisher, listen: Listen, alice: str) -> None:
    await publisher.burst(alice, ["m1", "m2"])

    listener = listen(alice, "--no-confirm")

    await listener.shown("m1", "m2")
    assert await listener.ctrl_c() == 0
    await publisher.waits(alice, 2)


async def test_what_is_refused_is_a_dead_letter(publisher: Publisher, listen: Listen, alice: str) -> None:
    await publisher.publish(alice, 1, id="m1")

    listener = listen(alice, "--refuse", "no room", "--count", "1")

    assert await listener.ended() == 0
    [letter] = await publisher.dead_letters(alice)
    assert (letter["id"], letter["reason"], letter["detail"]) == ("m1", "refused", "no room")


async def test_a_confirmation_may_be_waited_for(publisher: Publisher, listen: Listen, alice: str) -> None:
    await publisher.publish(alice, 1, id="m1")

    listener = listen(alice, "--wait", "250ms", "--count", "1")

    assert await listener.ended() == 0
    assert listener.ids == ["m1"]
    await publisher.waits(alice, 0)


async def test_seen_confirms_what_was_handled_earlier(publisher: Publisher, listen: Listen, alice: str) -> None:
    await publisher.burst(alice, ["m1", "m2"])

    listener = listen(alice, "--seen", "m0,m1", "--count", "1")

    assert await listener.ended() == 0
    assert listener.ids == ["m2"]
    await publisher.waits(alice, 0)


async def test_a_token_that_the_gateway_refuses_ends_it(listen: Listen, alice: str) -> None:
    listener = listen(alice, "--token", "nonsense")

    assert await listener.ended() == 1
    assert "the gateway refuses: unauthorized" in listener.notes


async def test_a_caller_gets_the_receipt_with_what_the_listener_said(
    lasting: Services, listen: Listen, alice: str
) -> None:
    listener = listen(alice, "--value", '{"answer": 42}', "--count", "1")
    await listener.noted("connected to")

    words = ("publish", alice, '"how much?"', "--id", "m1", "--receipt")
    said = await asyncio.to_thread(typed, *words, "--json", BROKER_URL=lasting.broker_url)

    assert said.code == 0
    [receipt] = said.lines
    assert (receipt["id"], receipt["user"], receipt["outcome"]) == ("m1", alice, "confirmed")
    assert receipt["value"] == {"answer": 42}
    assert await listener.ended() == 0


async def test_a_caller_who_is_refused_sees_why_and_gets_code_1(lasting: Services, listen: Listen, alice: str) -> None:
    listener = listen(alice, "--refuse", "no room")
    await listener.noted("connected to")

    said = await asyncio.to_thread(typed, "publish", alice, "1", "--receipt", BROKER_URL=lasting.broker_url)

    assert said.code == 1
    assert "refused" in said.out
    assert "no room" in said.out


async def test_listening_goes_on_when_the_gateway_is_killed_and_comes_back(
    services: Services, tmp_path: Path, alice: str
) -> None:
    gateway, _ = await services.pair()
    listener = Listener(gateway.url, tmp_path, alice)
    try:
        async with Publisher(services.broker_url) as publisher:
            await publisher.publish(alice, 1, id="m1")
            await listener.shown("m1")

            gateway.kill()
            await publisher.publish(alice, 2, id="m2")
            await listener.noted("disconnected")
            again = services.gateway(GATEWAY_LISTEN=f"127.0.0.1:{gateway.port}")
            await again.ready()

            await listener.shown("m1", "m2")
            assert await listener.ctrl_c() == 0
            await publisher.waits(alice, 0)
    finally:
        listener.kill()
