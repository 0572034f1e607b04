"""restante's own JavaScript client in Chromium: reloads, tabs, a server that is gone, and a thousand messages."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.support.balancer import Balancer
from tests.support.chromium import MADE_UP, Tab, chromium, window
from tests.support.publisher import Publisher
from tests.support.services import Service, Services, free_port
from tests.support.tokens import token

pytestmark = pytest.mark.usefixtures("node")

MESSAGES = 1000
FAULTS = 6


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium(MADE_UP) as started:
        yield started


async def test_the_gateway_serves_the_client_to_pages_of_any_origin(gateway: Service, browser: Browser) -> None:
    page = await browser.new_page()
    await page.goto(gateway.url + "/healthz")
    elsewhere = gateway.url.replace("127.0.0.1", "localhost") + "/client.js"

    names = await page.evaluate(f"async () => Object.keys(await import('{elsewhere}')).sort()")

    assert names == ["Client", "NotSent", "Refused"]


async def test_a_reload_in_mid_window_handles_each_message_once(
    gateway: Service, publisher: Publisher, browser: Browser, alice: str
) -> None:
    opened = await window(browser, alice, lambda: token(alice), pause_ms=40)
    tab = Tab(await opened.new_page(), gateway.url)
    await publisher.burst(alice, [f"m{number}" for number in range(60)])
    await tab.open()
    await tab.handled(5)

    await tab.open()
    await tab.handled(25)
    await tab.open()

    await tab.handled(60)
    assert await tab.counts() == {f"m{number}": 1 for number in range(60)}
    await publisher.waits(alice, 0)


async def test_what_a_page_was_handling_when_it_ended_is_handled_by_the_next_one(
    gateway: Service, publisher: Publisher, browser: Browser, alice: str
) -> None:
    opened = await window(browser, alice, lambda: token(alice))
    tab = Tab(await opened.new_page(), gateway.url)
    await tab.open()
    await tab.ask("() => { window.hold = true; }")
    await publisher.publish(alice, 1, id="m1")
    await tab.page.wait_for_function("() => window.began === 'm1'")

    await tab.open()

    await tab.handled(1)
    assert await tab.counts() == {"m1": 1}
    await publisher.waits(alice, 0)


async def test_two_tabs_handle_each_message_and_a_third_that_comes_later_none(
    gateway: Service, publisher: Publisher, browser: Browser, alice: str
) -> None:
    opened = await window(browser, alice, lambda: token(alice))
    one, two, third = [Tab(await opened.new_page(), gateway.url) for _ in range(3)]
    for tab in (one, two):
        await tab.open()
        await tab.state("online")

    await publisher.publish(alice, 1, id="m1")
    await one.page.wait_for_function("() => window.began === 'm1'")
    await two.page.wait_for_function("() => window.began === 'm1'")
    await third.open()
    await publisher.publish(alice, 1, id="m1")
    await publisher.publish(alice, 2, id="m2")

    await third.page.wait_for_function("() => window.began")
    assert await third.ask("() => window.began") == "m2"


async def test_what_was_sent_while_the_server_is_gone_outlives_a_reload_and_arrives_once(
    gateway: Service, browser: Browser, alice: str, bob: str
) -> None:
    port = free_port()
    mine = await window(browser, alice, lambda: token(alice, send="*"))
    tab = Tab(await mine.new_page(), f"http://127.0.0.1:{port}")
    await tab.open()
    await tab.ask(f"() => {{ for (let n = 0; n < 10; n++) client.send('{bob}', n, {{ id: 'm' + n }}); }}")
    await tab.open()
    assert await tab.ask("() => [client.state, client.outbox.length]") == ["offline", 10]
    theirs = await window(browser, bob, lambda: token(bob))
    other = Tab(await theirs.new_page(), gateway.url)
    await other.open()

    async with Balancer([gateway.port], port):
        await other.handled(10)
        await tab.page.wait_for_function("() => client.outbox.length === 0")
        left = await tab.ask("() => JSON.parse(localStorage.getItem('left'))")
        assert await other.ask("() => JSON.parse(localStorage.getItem('order'))") == [
            f"{alice}/m{n}" for n in range(10)
        ]
        await tab.page.close()

    assert left == [[f"m{number}", None] for number in range(10)]
    assert set((await other.counts()).values()) == {1}


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_thousand_messages_are_each_handled_once_whatever_goes_wrong(
    services: Services, publisher: Publisher, browser: Browser, alice: str
) -> None:
    chance = random.Random(7)  # noqa: S311 -- a seed, not a secret
    (first, _), second = await services.pair(), services.gateway()
    await second.ready()
    ids = [f"m{number}" for number in range(MESSAGES)]
    faults: list[str] = []
    opened = await window(browser, alice, lambda: token(alice, lives_seconds=8), pause_ms=8)
    async with Balancer([first.port, second.port]) as balancer:
        tab = Tab(await opened.new_page(), balancer.url)
        await tab.open()

        async def publish() -> None:
            for number, message in enumerate(ids):
                if number == MESSAGES - 100:
                    await broken_enough.wait()
                await publisher.publish_surely(alice, {"n": number}, id=message)
                await asyncio.sleep(chance.random() / 100)

        broken_enough = asyncio.Event()
        publishing = asyncio.create_task(publish())
        while not publishing.done() or len(await tab.counts()) < MESSAGES:
            fault = chance.choice(["reload", "cut", "cut", "freeze", "away"])
            faults.append(fault)
            match fault:
                case "reload":
                    await tab.open()
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
        counts = await tab.counts()
        assert await tab.ask("() => window.errors") == []
        await tab.page.close()
    assert sorted(counts) == sorted(ids)
    assert {message: count for message, count in counts.items() if count != 1} == {}
    await publisher.waits(alice, 0)
