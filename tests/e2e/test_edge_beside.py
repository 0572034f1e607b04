"""A gateway beside an application's own Socket.IO server: one address, and each has its path, events and clients."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import socketio

from shared.http import serve
from shared.settings import ListenAddress
from tests.e2e.conftest import Device
from tests.support.node import NodeClient
from tests.support.pipes import Pipes, Stream
from tests.support.publisher import Publisher
from tests.support.services import Services
from tests.support.tokens import token
from tests.support.until import until

PATH = "/letters/"


@dataclass(slots=True)
class Application:
    """Its own Socket.IO server, on the usual path."""

    port: int
    heard: list[Any] = field(default_factory=list)
    confirmed: int = 0


@contextlib.asynccontextmanager
async def application() -> AsyncIterator[Application]:
    server = socketio.AsyncServer(async_mode="asgi")
    app = Application(0)

    def confirm(*_: Any) -> None:
        app.confirmed += 1

    async def on_message(session: str, said: Any) -> dict[str, object]:
        app.heard.append(said)
        await server.emit("message", {"id": "of the application", **NOTHING}, to=session, callback=confirm)
        return {"from": "the application"}

    server.on("message", on_message)
    server.on("send", on_message)
    async with serve(socketio.ASGIApp(server), ListenAddress("127.0.0.1", 0), connections=100) as app.port:
        yield app
    await server.shutdown()


NOTHING = {"data": None, "type": "", "from": None, "timestamp": None, "redelivered": False}


class ReverseProxy(Pipes):
    """An origin for several servers, by the path of a connection's first request."""

    def __init__(self, routes: dict[str, int], otherwise: int) -> None:
        super().__init__()
        self._routes = routes
        self._otherwise = otherwise

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def far(self, reader: asyncio.StreamReader) -> Stream:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        port = next((port for prefix, port in self._routes.items() if path.startswith(prefix)), self._otherwise)
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        # One request for each connection, unless it becomes a WebSocket: another may be for another server.
        if b"upgrade: websocket" not in head.lower():
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            head = b"\r\n".join([lines[0], b"Connection: close", *lines[1:]])
        far_writer.write(head)
        return far_reader, far_writer


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]], ids="+".join)
async def test_two_socket_io_servers_share_an_origin_and_do_not_notice_each_other(
    services: Services, device: Device, alice: str, transports: list[str]
) -> None:
    gateway, _ = await services.pair(
        GATEWAY_PATH=PATH, GATEWAY_NAMESPACE="/post", GATEWAY_TRANSPORTS="polling,websocket"
    )
    letters, chat = device("letters", alice), device("chat", alice)
    assert isinstance(letters, NodeClient)
    assert isinstance(chat, NodeClient)
    async with (
        Publisher(services.broker_url) as publisher,
        application() as app,
        ReverseProxy({PATH: gateway.port}, app.port) as proxy,
    ):
        await publisher.burst(alice, ["m1", "m2"])
        letters.options = {"path": PATH, "transports": transports}
        chat.options = {"transports": transports}
        await letters.connect(f"{proxy.url}/post", token(alice, send="*"))
        await chat.connect(proxy.url, "the application's own")
        await letters.received(["m1", "m2"])
        await chat.online()

        assert await chat.send("anybody", "hello") == {"from": "the application"}
        assert (await letters.send(alice, "hello", id="1"))["ok"] is True
        await letters.received([f"{alice}/1"])
        await publisher.waits(alice, 0)

        assert letters.ids == ["m1", "m2", f"{alice}/1"]
        await until(lambda: chat.ids == ["of the application"], "the application's event")
        await until(lambda: app.confirmed == 1, "its callback")
        assert app.heard == [{"to": "anybody", "data": "hello"}]

        # And one that mistakes the one for the other is told so.
        lost = device("lost", alice)
        assert isinstance(lost, NodeClient)
        lost.options = {"path": PATH, "transports": transports}
        await lost.connect(proxy.url, token(alice))
        await until(lambda: lost.refusals, "a refusal")
        assert lost.refusals[0][0] == "bad_request"
        await letters.disconnect()
        await chat.disconnect()
        await lost.end()
