"""Kill-and-watch: `make run`'s demo page kills services with kill -9 while two people write to each other."""

import asyncio
import signal
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from deploy.local.broker import forget, held
from deploy.local.rabbitmq import Management
from tests.support.bound import bound_by
from tests.support.chromium import chromium
from tests.support.demo import WAIT_MS, Demo, demo
from tests.support.launcher import Launcher

PEOPLE = ("alice", "bob")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def launcher(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """One `make run` for both tests."""
    folder = tmp_path_factory.mktemp("run")
    started = Launcher(folder, str(request.config.getoption("--broker")))
    try:
        asyncio.run(started.up())
        yield started
        assert asyncio.run(started.end(signal.SIGINT)) == 0, started.printed()
    finally:
        if not started.ended():
            started.process.kill()
        started.process.wait()
        with held(folder / ".run"):
            pass  # ends what it left if it had to be killed
        forget(folder / ".run")


async def is_read(page: Demo) -> None:
    """Wait until all that was sent is confirmed."""
    await expect(page.count("on the way")).to_have_text("0", timeout=WAIT_MS)
    for user in PEOPLE:
        log = page.page.get_by_role("log", name=f"Messages of {user}")
        await expect(log.locator("li:not([data-state=confirmed])")).to_have_count(0, timeout=WAIT_MS)


async def number(page: Demo, name: str) -> int:
    return int(await page.count(name).inner_text())


async def test_what_is_killed_comes_back_and_nothing_is_lost_nor_comes_twice(
    launcher: Launcher,
) -> None:
    told = launcher.told()
    bound = bound_by(Management(told["RABBITMQ_MANAGEMENT_URL"]), told["BROKER_URL"])
    async with chromium() as browser, demo(browser, launcher.demo_page(), PEOPLE) as page:
        for user in PEOPLE:
            await bound(user)  # from then on their order holds
        await page.page.get_by_role("switch", name="Keep them writing").check()
        for name in ("gateway", "dispatcher"):
            kill = page.page.get_by_role("button", name=f"Kill the {name}")
            service = page.page.get_by_role("listitem").filter(has=kill)
            await expect(service).to_contain_text("serves, pid", timeout=WAIT_MS)
            before, sent = await service.inner_text(), await number(page, "sent")

            await kill.click()

            await expect(page.page.get_by_text(f"The {name} is back.")).to_be_visible(timeout=WAIT_MS)
            await expect(service).to_contain_text("killed once", timeout=WAIT_MS)
            assert await service.inner_text() != before
            await page.picture(f"killed-{name}")
            await expect(page.count("sent")).not_to_have_text(str(sent), timeout=WAIT_MS)
        await page.page.get_by_role("switch", name="Keep them writing").uncheck()

        await is_read(page)

        assert await number(page, "sent") == await number(page, "confirmed") > 0
        assert await number(page, "came twice") == 0
        assert await number(page, "out of order") == 0
        for user in PEOPLE:
            queue = page.page.get_by_role("listitem").filter(has_text=f"user.{user}")
            await expect(queue).to_contain_text("empty", timeout=WAIT_MS)
        await page.picture("after")
    assert not launcher.ended(), launcher.printed()


async def test_the_queues_depth_is_seen_live(launcher: Launcher) -> None:
    async with chromium() as browser, demo(browser, launcher.demo_page(), PEOPLE) as page:
        queue = page.page.get_by_role("listitem").filter(has_text="user.bob")
        await expect(queue).to_contain_text("empty", timeout=WAIT_MS)

        await page.offline("bob").check()
        await page.person("alice").get_by_role("button", name="Send 10").click()
        await expect(queue).to_contain_text("10 waiting, 0 in flight", timeout=WAIT_MS)
        await page.picture("queued")
        await page.offline("bob").uncheck()

        await is_read(page)
        await expect(queue).to_contain_text("empty", timeout=WAIT_MS)
        launcher.restante("publish", "alice", '"from a terminal"')
        await page.says("alice", "from a terminal", "confirmed")
