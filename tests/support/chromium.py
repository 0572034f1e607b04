"""restante's own JavaScript client in Chromium: a page whose handler counts, in the page's storage, what it handled."""

import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeout

from tests.support.node import HERE
from tests.support.until import TooLate

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
MADE_UP = "--disable-features=LocalNetworkAccessChecks"
"""A page that a test makes up comes from nowhere, and would not be let near this machine."""

NAMES = ("chromium", "chromium-browser", "google-chrome")
ROOT = Path(__file__).parent.parent.parent
LIBRARY = HERE / "node_modules" / "socket.io-client" / "dist" / "socket.io.esm.min.js"
OWN = ROOT / "gateway" / "client" / "restante.js"

# A handler notes what it did after its last await, so that a reload finds a message handled or not handled.
PAGE = """<!doctype html><meta charset="utf-8"><title>a page of the tests</title><script type="module">
import { io } from "/socket.io.esm.min.js";
import { Client } from "/client.js";
const { user, pauseMs } = %s;
const count = (id) => localStorage.setItem("count." + id, 1 + Number(localStorage.getItem("count." + id)));
const all = (key) => JSON.parse(localStorage.getItem(key) ?? "[]");
const list = (key, item) => localStorage.setItem(key, JSON.stringify([...all(key), item]));
const options = { autoConnect: false, transports: ["websocket"], reconnectionDelay: 50, reconnectionDelayMax: 300 };
window.errors = [];
window.socket = io(options);
window.client = new Client(socket, {
  user, storage: "local", token: () => window.freshToken(),
  onMessage: async (message) => {
    window.began = message.id;
    if (window.hold) await new Promise(() => {});
    if (pauseMs) await new Promise((resolve) => setTimeout(resolve, Math.random() * pauseMs));
    count(message.id);
    if (pauseMs === 0) list("order", message.id);
  },
  onSent: ({ id }, error) => list("left", [id, error?.code ?? null]),
  onError: (error) => window.errors.push(error.message),
});
</script>"""


@dataclass(slots=True)
class Tab:
    """One tab; the storage is that of its window."""

    page: Page
    url: str

    async def open(self) -> None:
        """Also opens it anew, whatever the page is doing."""
        await self.page.goto(self.url + "/page.html")
        await self.page.wait_for_function("() => window.client")

    async def state(self, state: str, *, seconds: float = 30.0) -> None:
        await self.page.wait_for_function(f"() => client.state === {json.dumps(state)}", timeout=seconds * 1000)

    async def ask(self, script: str) -> Any:
        return await self.page.evaluate(script)

    async def counts(self) -> dict[str, int]:
        """How often each message was handled, by all pages of this storage."""
        found: dict[str, int] = await self.ask(
            "() => Object.fromEntries(Object.entries(localStorage).filter(([key]) => key.startsWith('count.'))"
            ".map(([key, count]) => [key.slice(6), Number(count)]))"
        )
        return found

    async def handled(self, count: int, *, seconds: float = 30.0) -> None:
        """Wait until so many messages were handled."""
        keys = "Object.keys(localStorage).filter((key) => key.startsWith('count.'))"
        try:
            await self.page.wait_for_function(f"() => {keys}.length >= {count}", timeout=seconds * 1000)
        except PlaywrightTimeout as err:
            said = await self.ask("() => [client.state, client.reason, client.stopped, window.began, window.errors]")
            raise TooLate(f"{len(await self.counts())} messages handled, not {count}: {said}") from err


@asynccontextmanager
async def chromium(*more_flags: str) -> AsyncIterator[Browser]:
    """Skips the test where there is none."""
    installed = next((path for name in NAMES if (path := shutil.which(name))), None)
    if installed is None:
        pytest.skip("no Chromium is installed")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=installed, args=[*FLAGS, *more_flags])
        yield started
        await started.close()


async def window(browser: Browser, user: str, token: Callable[[], str], *, pause_ms: int = 0) -> BrowserContext:
    """A window with a storage of its own. What pages are made of is there even while no gateway is."""
    opened = await browser.new_context()
    settings = json.dumps({"user": user, "pauseMs": pause_ms})

    async def text(route: Route, body: str, kind: str) -> None:
        await route.fulfill(body=body, content_type=kind)

    await opened.route("**/page.html", lambda route: text(route, PAGE % settings, "text/html"))
    await opened.route("**/socket.io.esm.min.js", lambda route: text(route, LIBRARY.read_text(), "text/javascript"))
    await opened.route("**/client.js", lambda route: text(route, OWN.read_text(), "text/javascript"))
    await opened.expose_function("freshToken", token)
    return opened
