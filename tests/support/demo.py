"""The demo page as somebody who looks at it uses it: two people, by what they are labelled with."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, Locator, Page, expect

WAIT_MS = 60_000
PICTURES = Path(__file__).parent.parent.parent / ".run" / "pictures"


@dataclass(slots=True)
class Demo:
    """One tab with the demo page. `complaints`: what its console called an error; `asked`: all it fetched."""

    page: Page
    people: tuple[str, str]
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def person(self, user: str) -> Locator:
        return self.page.get_by_role("region", name=user, exact=True)

    def offline(self, user: str) -> Locator:
        return self.page.get_by_role("switch", name=f"Offline: {user}")

    def letters(self, user: str, text: str) -> Locator:
        """In the log of `user`."""
        return self.page.get_by_role("log", name=f"Messages of {user}").locator("li", has_text=text)

    def count(self, name: str) -> Locator:
        """A number of the post office: sent, confirmed, on the way, came twice, out of order."""
        return self.page.locator(".tally div", has=self.page.get_by_text(name, exact=True)).locator("dd")

    async def write(self, user: str, text: str) -> None:
        await self.person(user).get_by_role("textbox").fill(text)
        await self.person(user).get_by_role("button", name="Send to").click()

    async def online(self) -> None:
        for user in self.people:
            await expect(self.person(user)).to_have_attribute("data-state", "online", timeout=WAIT_MS)

    async def says(self, user: str, text: str, state: str) -> None:
        """Wait until that letter, in the log of `user`, is said to be so."""
        words = self.letters(user, text).locator(".words")
        await expect(words).to_have_text(re.compile(f"^{re.escape(state)}$"), timeout=WAIT_MS)

    async def picture(self, name: str) -> None:
        """For whoever wants to look, in .run/pictures."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=PICTURES / f"demo-{name}.png", full_page=True)


@asynccontextmanager
async def demo(
    browser: Browser, url: str, people: tuple[str, str], *, width: int = 1280, height: int = 860
) -> AsyncIterator[Demo]:
    """The page in a window of its own, both people online. `url` is the gateway's, or with a fragment."""
    context = await browser.new_context(viewport={"width": width, "height": height})
    page = await context.new_page()
    opened = Demo(page, people)
    page.on("console", lambda line: opened.complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    page.on("request", lambda request: opened.asked.append(request.url))
    base, _, fragment = url.partition("#")
    await page.goto(f"{base.rstrip('/')}/?people={','.join(people)}#{fragment}")
    await opened.online()
    yield opened
    await context.close()
