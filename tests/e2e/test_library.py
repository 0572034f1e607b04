"""socket.io-client from the gateway itself, for pages that take nothing from elsewhere."""

import json

import pytest

from tests.support.chromium import LIBRARY, chromium
from tests.support.services import Services
from tests.support.tokens import token

pytestmark = pytest.mark.usefixtures("node")

PAGE = """async (token) => {
  const { io } = await import("/socket.io-client.js");
  const { Client } = await import("/client.js");
  const socket = io({ autoConnect: false, transports: ["websocket"] });
  return new Promise((online, failed) => {
    const onState = (state) => state === "online" && online(state);
    new Client(socket, { token, onMessage: () => {}, onState, onError: failed });
  });
}"""


async def test_a_page_gets_both_clients_from_the_gateway_and_nothing_from_elsewhere(
    services: Services, alice: str
) -> None:
    gateway, _ = await services.pair(GATEWAY_SOCKET_IO_CLIENT_FILE=str(LIBRARY))
    async with chromium() as browser:
        page = await browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(gateway.url + "/healthz")

        assert await page.evaluate(PAGE, token(alice)) == "online"

        assert {url.removeprefix(gateway.url) for url in asked} >= {"/client.js", "/socket.io-client.js"}
        assert all(url.startswith(gateway.url) for url in asked)
        elsewhere = gateway.url.replace("127.0.0.1", "localhost") + "/socket.io-client.js"
        assert "io" in await page.evaluate(f"async () => Object.keys(await import({json.dumps(elsewhere)}))")


@pytest.mark.parametrize("file", [{}, {"GATEWAY_SOCKET_IO_CLIENT_FILE": "/nowhere/socket.io.esm.min.js"}])
async def test_a_gateway_that_has_no_library_says_what_to_do(services: Services, file: dict[str, str]) -> None:
    gateway = services.gateway(**file)
    await gateway.not_ready()  # nor need it be: it lives

    status, text = await gateway.page("/socket.io-client.js")

    assert status == 404
    assert "GATEWAY_SOCKET_IO_CLIENT_FILE" in text
