"""The demo page in a real browser: go offline in one tab, send from another, come back, see it arrive once."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.chromium import chromium
from tests.support.node import HERE
from tests.support.services import Service, Services

WAIT_MS = 15_000


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest.fixture
async def demo(services: Services, node: None) -> Service:
    library = HERE / "node_modules" / "socket.io-client" / "dist" / "socket.io.js"
    gateway, _ = await services.pair(GATEWAY_DEMO="true", GATEWAY_DEMO_CLIENT_FILE=str(library))
    return gateway


async def tab(browser: Browser, demo: Service, user: str, complaints: list[str]) -> Page:
    """A tab of its own, connected as `user`; what its console complains about goes to `complaints`."""
    page = await browser.new_page(viewport={"width": 900, "height": 700})
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(demo.url)
    await page.fill("#user", user)
    await page.click("#connect")
    await expect(page.locator("#status")).to_have_attribute("data-state", "online", timeout=WAIT_MS)
    return page


async def test_what_was_sent_while_a_tab_was_offline_arrives_once(
    browser: Browser, demo: Service, tmp_path: Path
) -> None:
    suffix = uuid.uuid4().hex[:6]
    complaints: list[str] = []
    alice = await tab(browser, demo, f"alice-{suffix}", complaints)
    bob = await tab(browser, demo, f"bob-{suffix}", complaints)
    log = alice.locator("#log li[data-id]", has_text="are you there?")

    await alice.click("#offline")
    await expect(alice.locator("#status")).to_have_attribute("data-state", "offline", timeout=WAIT_MS)
    await bob.fill("#to", f"alice-{suffix}")
    await bob.fill("#text", "are you there?")
    await bob.click("#send")
    await expect(bob.locator("#log")).to_contain_text("are you there?", timeout=WAIT_MS)
    await expect(log).to_have_count(0)
    await alice.click("#online")

    await expect(log).to_have_count(1, timeout=WAIT_MS)
    await expect(log).to_have_attribute("data-state", "confirmed", timeout=WAIT_MS)
    # What comes after it shows that nothing else is under way.
    await bob.fill("#text", "then goodbye")
    await bob.click("#send")
    await expect(alice.locator("#log li[data-id]", has_text="then goodbye")).to_have_count(1, timeout=WAIT_MS)
    await expect(log).to_have_count(1)
    await alice.screenshot(path=tmp_path / "alice.png")
    await bob.screenshot(path=tmp_path / "bob.png")
    assert not complaints
