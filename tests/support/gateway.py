"""A gateway's sockets in the test's process: real uvicorn, the real core, and in place of the broker a record."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from gateway.core.sessions import Sessions
from gateway.metrics import Metrics
from gateway.send import NotHeld, Outgoing
from gateway.settings import GatewaySettings
from gateway.sockets import Sockets
from gateway.tokens import Verifier
from shared.http import serve
from shared.settings import ListenAddress
from shared.wire import Batch, Entry, Forward, Lease, Outcome
from tests.support.services import SECRET

TICK_SECONDS = 0.05
INBOX = "gateway.test"
REPLY = "dispatcher.test"


@dataclass(slots=True)
class Office:
    """The broker half of the core's port, and the dispatcher's side of the tests."""

    leases: list[Lease] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    sent: list[Outgoing] = field(default_factory=list)
    serving: bool = True
    holds: bool = True
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.hold.set()

    async def publish(self, outgoing: Outgoing) -> None:
        self.sent.append(outgoing)
        await self.hold.wait()
        if not self.holds:
            raise NotHeld("the broker is away")


class InProcess:
    """A running gateway without a broker."""

    sockets: Sockets
    sessions: Sessions
    port: int
    frame_bytes: int

    def __init__(self, metrics: Metrics, office: Office) -> None:
        self.metrics = metrics
        self.office = office

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/socket.io/?EIO=4&transport=websocket"

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"restante_{name}", labels) or 0.0

    def tell(self, *entries: Entry, window: int = 32) -> None:
        self.sessions.batch(Batch(REPLY, window, entries), time.monotonic())

    def forward(self, user: str, message: str, event: bytes | None = None, attachment: bytes | None = None) -> None:
        """To every session of the user, as a dispatcher would."""
        body = event or b'{"id":"%b","data":1,"type":"","from":null,"timestamp":null,"redelivered":false}' % (
            message.encode()
        )
        self.tell(Forward(user, message, tuple(self.sessions.sessions_of(user)), body, attachment))

    # The core's port.

    def emit(self, session: str, message: str, event: bytes, attachment: bytes | None) -> None:
        self.sockets.emit(session, message, event, attachment)

    def cut(self, session: str, why: str) -> None:
        self.sockets.cut(session, why)

    def replace(self, session: str) -> None:
        self.sockets.replace(session)

    def evict(self, session: str) -> None:
        self.sockets.evict(session)

    def announce(self, lease: Lease) -> None:
        self.office.leases.append(lease)

    def report(self, reply: str, outcome: Outcome) -> None:
        assert reply == REPLY
        self.office.outcomes.append(outcome)


@asynccontextmanager
async def in_process(**changed: Any) -> AsyncIterator[InProcess]:
    """`changed` are settings. Pings and deadlines are short."""
    async with assembled(**changed) as gateway:
        listen = ListenAddress("127.0.0.1", 0)
        async with serve(
            gateway.sockets.engine.app, listen, frame_bytes=gateway.frame_bytes, connections=1_000
        ) as gateway.port:
            yield gateway


@asynccontextmanager
async def assembled(**changed: Any) -> AsyncIterator[InProcess]:
    """As `in_process`, and nobody listens."""
    settings = GatewaySettings(
        **{
            "gateway_jwt_secret": SecretStr(SECRET),
            "gateway_ping_interval_seconds": 1,
            "gateway_ping_timeout_seconds": 1,
            "gateway_confirm_timeout_seconds": 30,
            **changed,
        }
    )
    office, metrics = Office(), Metrics()
    gateway = InProcess(metrics, office)
    gateway.frame_bytes = settings.frame_bytes
    gateway.sessions = Sessions(
        gateway, confirm_timeout=settings.gateway_confirm_timeout_seconds, limit=10, ledger=metrics.ledger
    )
    gateway.sessions.link_up(INBOX, time.monotonic())
    async with asyncio.TaskGroup() as tasks:
        gateway.sockets = Sockets(
            settings,
            Verifier(settings),
            metrics,
            tasks,
            sessions=gateway.sessions,
            serving=lambda: office.serving,
            publish=office.publish,
        )
        loops = [tasks.create_task(_tick(gateway)), tasks.create_task(gateway.sockets.run())]
        yield gateway
        for task in loops:
            task.cancel()
        await gateway.sockets.engine.stop()


async def _tick(gateway: InProcess) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        gateway.sessions.tick(time.monotonic())
        gateway.sockets.tick(time.monotonic())


@asynccontextmanager
async def raw(gateway: InProcess) -> AsyncIterator[ClientConnection]:
    """A WebSocket that has read engine.io's first packet and says what the test wants."""
    async with connect(gateway.ws_url, compression=None, ping_interval=None) as socket:
        assert (await socket.recv()).startswith("0{")  # type: ignore[arg-type]
        yield socket


async def log_in(socket: ClientConnection, token: str) -> str:
    """The answer to CONNECT."""
    await socket.send(f'40{{"token":"{token}"}}')
    return await heard(socket)


async def heard(socket: ClientConnection, seconds: float = 5.0) -> str:
    """The next packet that is no ping; pings are answered."""
    async with asyncio.timeout(seconds):
        while (text := await socket.recv()) == "2":
            await socket.send("3")
    assert isinstance(text, str)
    return text


async def closed(socket: ClientConnection, seconds: float = 5.0) -> int:
    """Reads until the gateway closes; the code of the close. Pings are answered."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                if await socket.recv() == "2":
                    await socket.send("3")
            except ConnectionClosed:
                return socket.close_code or 0


async def message_heard(socket: ClientConnection) -> tuple[int, str]:
    """The next packet, which must be the event `message`: the number of its callback, and the message's id."""
    text = await heard(socket)
    found = re.fullmatch(r'42(?:/[a-z]+,)?([0-9]+)\["message",({.*})\]', text, re.DOTALL)
    assert found is not None, text
    return int(found[1]), json.loads(found[2])["id"]
