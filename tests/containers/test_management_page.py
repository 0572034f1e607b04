"""What an operator sees in RabbitMQ's own pages, in a real browser."""

import pytest
from playwright.async_api import Page, expect

from tests.support.chromium import chromium
from tests.support.client import Client, Mode
from tests.support.containers import Installation
from tests.support.node import NodeClient, install
from tests.support.publisher import Publisher
from tests.support.services import ROOT
from tests.support.tokens import token

WINDOW, PUBLISHED = 32, 40
SHOWN_MS = 60_000
PICTURE = ROOT / ".run" / "screenshots" / "queue-of-alice.png"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


async def log_in(page: Page, installation: Installation) -> None:
    await page.goto(installation.ui_url)
    await page.fill("input[name=username]", "operator")
    await page.fill("input[name=password]", installation.operator_password)
    await page.click("input[type=submit]")
    await expect(page.get_by_role("button", name="Log out")).to_be_visible(timeout=SHOWN_MS)


async def test_the_operator_logs_in_and_sees_what_waits_for_alice_and_what_is_with_her(
    installation: Installation,
) -> None:
    install()
    await installation.ready()
    phone: Client = NodeClient("phone", "alice", [])
    try:
        await phone.mode(Mode.SILENT)
        await phone.connect(installation.url, token("alice"))
        await phone.online()
        async with Publisher(installation.publisher_url) as publisher:
            await publisher.burst("alice", [f"m{n}" for n in range(PUBLISHED)])
        await phone.received([f"m{n}" for n in range(WINDOW)])

        async with chromium() as browser:
            page = await browser.new_page(viewport={"width": 1400, "height": 900})
            await log_in(page, installation)
            await page.goto(f"{installation.ui_url}#/queues/restante/user.alice")
            await expect(page.locator("#main")).to_contain_text("user.alice", timeout=SHOWN_MS)
            for row in (f"Ready {PUBLISHED - WINDOW}", f"Unacked {WINDOW}"):
                await expect(page.get_by_role("row", name=row, exact=True).first).to_be_visible(timeout=SHOWN_MS)
            PICTURE.parent.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=PICTURE)
    finally:
        await phone.end()
