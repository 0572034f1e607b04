"""What requests that are not whole, or not what they say, come to: an answer, or nothing, and never a fault."""

import asyncio
from typing import Any

import pytest

from tests.support.gateway import InProcess, assembled

BOTH = {"gateway_transports": ("websocket", "polling")}
OPEN = b"EIO=4&transport=polling"


class Request:
    """One HTTP request to a gateway. Its body comes when the test says so; None: its client has left."""

    def __init__(self, gateway: InProcess, method: str, query: bytes, **headers: str) -> None:
        self._body: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.answer: list[dict[str, Any]] = []
        scope = {
            "type": "http",
            "method": method,
            "path": "/socket.io/",
            "query_string": query,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        self.done = asyncio.ensure_future(gateway.sockets.engine.app(scope, self._receive, self._send))

    def body(self, body: bytes | None) -> None:
        self._body.put_nowait(body)

    @property
    def status(self) -> int | None:
        return self.answer[0]["status"] if self.answer else None

    async def _receive(self) -> Any:
        body = await self._body.get()
        return {"type": "http.disconnect"} if body is None else {"type": "http.request", "body": body}

    async def _send(self, message: Any) -> None:
        self.answer.append(message)


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST", "PUT"])
@pytest.mark.parametrize("query", [b"", OPEN, b"EIO=4&transport=websocket"])
async def test_a_request_that_is_cut_off_is_no_fault(method: str, query: bytes) -> None:
    async with assembled(**BOTH) as gateway:
        request = Request(gateway, method, query)
        request.body(None)

        await request.done


@pytest.mark.parametrize("connection", ["keep-alive", "upgrade"])
async def test_a_websocket_that_is_asked_for_where_there_can_be_none_is_refused(connection: str) -> None:
    async with assembled(**BOTH) as gateway:
        request = Request(gateway, "GET", b"EIO=4&transport=websocket", upgrade="websocket", connection=connection)
        request.body(b"")
        await request.done

        assert request.status == 400
        assert len(gateway.sockets.engine) == 0


async def test_a_client_that_polls_may_name_an_upgrade() -> None:
    async with assembled(**BOTH) as gateway:
        request = Request(gateway, "GET", OPEN, upgrade="websocket", connection="upgrade")
        request.body(b"")
        await request.done

        assert request.status == 200


async def test_a_post_whose_connection_ends_before_its_body_has_come_is_refused() -> None:
    async with assembled(**BOTH) as gateway:
        first = Request(gateway, "GET", OPEN)
        first.body(b"")
        await first.done
        name = str(first.answer[1]["body"]).split('"sid":"')[1].split('"')[0].encode()
        post = Request(gateway, "POST", OPEN + b"&sid=" + name)
        await turns()
        goodbye = Request(gateway, "POST", OPEN + b"&sid=" + name)
        goodbye.body(b"1")
        await goodbye.done

        post.body(b"3")
        await post.done

        assert (goodbye.status, post.status) == (200, 400)
