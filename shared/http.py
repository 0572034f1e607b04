"""HTTP for programs that watch us, and uvicorn inside our own event loop.

Signals stay with the service: uvicorn would re-raise them after its shutdown, and the process would not
end with code 0.
"""

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from shared.doorstep import Doorstep
from shared.patience import Door, PatientHttp
from shared.settings import ListenAddress
from shared.straight import StraightWebSocket
from shared.turnstile import Turnstile

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

FRAME_BYTES = 1_000_000
"""The largest WebSocket frame that is read, unless told otherwise."""

CONNECTIONS = 100
"""For programs that watch us: far more than there are."""

SHUTDOWN_SECONDS = 5

BACKLOG = 16_384
"""How many may stand at the door; the system may set a lower limit (Linux: net.core.somaxconn, 4096)."""


class CannotListen(OSError):
    """The address is taken, or is not of this machine."""


async def respond(send: Send, status: int, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
    """Answer one HTTP request."""
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(scope: Scope, send: Send, status: int, why: bytes) -> None:
    """Answer a request, or a WebSocket that is not accepted yet, with an error."""
    if scope["type"] == "http":
        await respond(send, status, why)
    else:
        await send({"type": "websocket.http.response.start", "status": status, "headers": []})
        await send({"type": "websocket.http.response.body", "body": why})


class HealthApp:
    """`/healthz` while the process lives, `/readyz` while it can serve, `/metrics` if there is a registry."""

    def __init__(
        self,
        ready: Callable[[], bool],
        registry: CollectorRegistry | None = None,
        why: Callable[[], str] = lambda: "not ready",
    ) -> None:
        """`why` says in a few words why it is not ready."""
        self._ready, self._registry, self._why = ready, registry, why

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        match scope["type"], scope.get("path"):
            case "http", "/healthz":
                await respond(send, 200, b"alive\n")
            case "http", "/readyz" if self._ready():
                await respond(send, 200, b"ready\n")
            case "http", "/readyz":
                await respond(send, 503, f"{self._why()}\n".encode())
            case "http", "/metrics" if self._registry is not None:
                await respond(send, 200, generate_latest(self._registry), CONTENT_TYPE_LATEST)
            case _:
                await refuse(scope, send, 404, b"not found\n")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def config_of(app: App, *, frame_bytes: int = FRAME_BYTES, connections: int = CONNECTIONS) -> uvicorn.Config:
    """How uvicorn serves."""
    return uvicorn.Config(
        app,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody asks who the client is; the scheme of its origin is read from the header itself
        http=functools.partial(  # type: ignore[arg-type]  # called as the class is
            PatientHttp, door=Door(connections), turnstile=Turnstile()
        ),
        ws=StraightWebSocket,
        ws_max_size=frame_bytes,
        ws_ping_interval=None,  # engine.io pings already
        ws_per_message_deflate=False,  # 45 KiB a connection, 75 us a message
        backlog=BACKLOG,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,  # without it one client that does not read blocks for ever
    )


@contextlib.asynccontextmanager
async def serve(
    app: App,
    listen: ListenAddress,
    *,
    frame_bytes: int = FRAME_BYTES,
    connections: int = CONNECTIONS,
    doorstep: Doorstep | None = None,
) -> AsyncIterator[int]:
    """Serves while the block runs; gives the port. Raises `CannotListen`.

    `connections`: the most that there may be at once. `doorstep` is told of the listener.
    Leaving the block closes what is still open within a few seconds, so drain before that.
    """
    listener = await _bind(listen)
    if doorstep is not None:
        doorstep.listener = listener
    server = _Server(config_of(app, frame_bytes=frame_bytes, connections=connections))
    running = asyncio.create_task(server.serve(sockets=[listener]), name=f"http {listen}")
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running


async def _bind(listen: ListenAddress) -> socket.socket:
    loop = asyncio.get_running_loop()
    try:
        family, kind, protocol, _, address = (
            await loop.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as err:
        raise CannotListen(f"cannot listen on {listen}: {err.strerror}") from err
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.settimeout(0)
    except OSError as err:
        listener.close()
        raise CannotListen(f"cannot listen on {listen}: {err.strerror}") from err
    return listener
