"""restante itself: so many dispatchers and gateways, with the settings that an operator gets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.names import MESSAGES, user_queue
from tests.bench.systems.system import System
from tests.support.scaling import spread
from tests.support.services import Edition, Services
from tests.support.tokens import token

READY_SECONDS = 60.0

# The tests' are shorter; these are the product's own.
SETTINGS = {
    "LOG_LEVEL": "warning",
    "GATEWAY_PING_INTERVAL_SECONDS": "10",
    "GATEWAY_PING_TIMEOUT_SECONDS": "8",
    "DISPATCHER_LINGER_SECONDS": "2",
}


@asynccontextmanager
async def restante(
    broker_url: str,
    broker_pid: int,
    folder: Path,
    *,
    each: int = 1,
    name: str = "restante",
    edition: Edition | None = None,
) -> AsyncIterator[System]:
    """`each` of both services. Leaves nothing running."""
    services = Services(broker_url, folder)
    try:
        dispatchers = [services.dispatcher(edition, **SETTINGS) for _ in range(each)]
        gateways = [services.gateway(edition, **SETTINGS) for _ in range(each)]
        for service in (*dispatchers, *gateways):
            await service.ready(seconds=READY_SECONDS)
        await spread(dispatchers)
        pids = {"broker": broker_pid}
        for kind, started in (("gateway", gateways), ("dispatcher", dispatchers)):
            for n, service in enumerate(started):
                pids[kind if each == 1 else f"{kind} {n + 1}"] = service.pid
        yield System(
            name=name,
            protocol="socket.io",
            ports=[gateway.port for gateway in gateways],
            broker_url=broker_url,
            exchange=MESSAGES,
            key=lambda user: user,
            queue=user_queue,
            login=lambda user: f'{{"token":"{token(user)}"}}',
            pids=pids,
            receipts=True,
        )
    finally:
        await services.end()
