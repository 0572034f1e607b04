"""The demo page in a real browser, used as somebody who wants to understand the product would."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.support.chromium import LIBRARY, chromium
from tests.support.demo import WAIT_MS, demo
from tests.support.services import Service, Services

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(240)]

People = tuple[str, str]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def showing(lasting: Services) -> Service:
    """One gateway for all tests of this file; each has people of its own."""
    gateway, _ = asyncio.run(lasting.pair(GATEWAY_DEMO="true", GATEWAY_SOCKET_IO_CLIENT_FILE=str(LIBRARY)))
    return gateway


@pytest.fixture
def gateway(showing: Service, lasting: Services) -> Service:
    """Asks for `lasting` too, so that a test that fails shows its logs."""
    return showing


@pytest.fixture
def people(alice: str, bob: str) -> People:
    return alice, bob


async def test_what_is_written_to_somebody_offline_waits_and_arrives_once_when_they_are_back(
    browser: Browser, gateway: Service, people: People
) -> None:
    alice, bob = people
    async with demo(browser, gateway.url, people) as page:
        await page.offline(bob).check()
        await expect(page.person(bob)).to_have_attribute("data-state", "offline", timeout=WAIT_MS)
        await page.write(alice, "are you there?")
        await page.says(alice, "are you there?", f"queued for {bob}")
        await expect(page.count("on the way")).to_have_text("1")
        await expect(page.letters(bob, "are you there?")).to_have_count(0)
        await page.picture("offline")

        await page.offline(bob).uncheck()

        await page.says(bob, "are you there?", "confirmed")
        await page.says(alice, "are you there?", f"confirmed by {bob}")
        # What comes after it shows that nothing else is under way.
        await page.write(alice, "then goodbye")
        await page.says(bob, "then goodbye", "confirmed")
        await expect(page.letters(bob, "are you there?")).to_have_count(1)
        await expect(page.count("confirmed")).to_have_text("2")
        await expect(page.count("came twice")).to_have_text("0")
        await page.picture("back")
        assert page.complaints == []
        assert {url for url in page.asked if not url.startswith((gateway.url, "data:"))} == set()


async def test_ten_at_once_are_seen_in_flight_and_confirmed_one_by_one(
    browser: Browser, gateway: Service, people: People
) -> None:
    alice, bob = people
    async with demo(browser, gateway.url, people) as page:
        await page.offline(bob).check()
        await page.person(alice).get_by_role("button", name="Send 10").click()
        await page.says(alice, "10 of 10", f"queued for {bob}")

        await page.offline(bob).uncheck()

        await page.says(alice, "10 of 10", f"in flight to {bob}")
        await page.says(alice, "10 of 10", f"confirmed by {bob}")
        await expect(page.count("confirmed")).to_have_text("10")
        read = page.page.get_by_role("log", name=f"Messages of {bob}").locator("li .text")
        await expect(read).to_have_text([f"{number} of 10" for number in range(1, 11)])


async def test_what_is_written_while_offline_outlives_a_reload(
    browser: Browser, gateway: Service, people: People
) -> None:
    alice, bob = people
    async with demo(browser, gateway.url, people) as page:
        await page.offline(alice).check()
        await page.write(alice, "from the train")
        await page.says(alice, "from the train", "waiting on this device")

        await page.page.reload()

        await page.says(bob, "from the train", "confirmed")
        await page.says(alice, "from the train", f"confirmed by {bob}")
        assert page.complaints == []


async def test_the_page_is_used_by_keyboard_alone(browser: Browser, gateway: Service, people: People) -> None:
    alice, bob = people
    async with demo(browser, gateway.url, people) as page:
        keyboard = page.page.keyboard
        await keyboard.press("Tab")
        await expect(page.offline(alice)).to_be_focused()
        await keyboard.press("Space")
        await expect(page.person(alice)).to_contain_text("offline: post is kept", timeout=WAIT_MS)
        await keyboard.press("Tab")
        await expect(page.page.get_by_role("log", name=f"Messages of {alice}")).to_be_focused()
        await keyboard.press("Tab")
        await expect(page.person(alice).get_by_role("textbox", name=f"To {bob}")).to_be_focused()
        await keyboard.type("without a mouse")
        await keyboard.press("Enter")
        await page.says(alice, "without a mouse", "waiting on this device")
        for _ in range(2):
            await keyboard.press("Shift+Tab")
        await keyboard.press("Space")

        await page.says(bob, "without a mouse", "confirmed")


async def test_on_a_phone_everything_is_below_each_other_and_nothing_beside_the_screen(
    browser: Browser, gateway: Service, people: People
) -> None:
    alice, bob = people
    async with demo(browser, gateway.url, people, width=360, height=740) as page:
        await page.write(alice, "a-word-that-is-far-too-long-for-a-phone-" * 5)
        await page.says(alice, "a-word", f"confirmed by {bob}")
        await page.picture("phone")

        boxes = [
            await box.bounding_box()
            for box in (page.person(alice), page.page.get_by_role("region", name="The post office"), page.person(bob))
        ]

        tops = [box["y"] for box in boxes if box is not None]
        assert len(tops) == 3
        assert tops == sorted(tops)
        assert await page.page.evaluate("() => document.documentElement.scrollWidth") <= 360


async def test_in_the_dark_it_is_dark(browser: Browser, gateway: Service, people: People) -> None:
    async with demo(browser, gateway.url, people) as page:
        background = "() => getComputedStyle(document.documentElement).backgroundColor.match(/\\d+/g).map(Number)"
        assert min(await page.page.evaluate(background)) > 200

        await page.page.emulate_media(color_scheme="dark", reduced_motion="reduce")

        assert max(await page.page.evaluate(background)) < 60
        await page.picture("dark")


async def test_an_address_that_names_no_controls_kills_nothing_and_says_where_to_get_them(
    browser: Browser, gateway: Service, people: People
) -> None:
    async with demo(browser, gateway.url, people) as page:
        await expect(page.page.get_by_text("Start restante with")).to_be_visible()
        await expect(page.page.get_by_role("button", name="Kill")).to_have_count(0)


@pytest.mark.parametrize("library", [str(LIBRARY), ""])
async def test_the_page_runs_nothing_inline_and_only_what_it_must_from_elsewhere(
    browser: Browser, services: Services, library: str
) -> None:
    gateway = services.gateway(GATEWAY_DEMO="true", **({"GATEWAY_SOCKET_IO_CLIENT_FILE": library} if library else {}))
    await gateway.not_ready()  # nor need it be: it lives
    page = await browser.new_page()

    # No page is opened, which would go on to the CDN.
    answer = await page.request.get(gateway.url)
    script = await page.request.get(f"{gateway.url}/demo/socket.io.js", max_redirects=0)

    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert ("script-src 'self';" in policy) is bool(library)
    assert script.status == (200 if library else 302)
    if not library:
        cdn = "/".join(script.headers["location"].split("/")[:3])
        assert f"script-src 'self' {cdn};" in policy
