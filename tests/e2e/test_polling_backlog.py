"""Many messages at once over long-polling, where both libraries put many packets into one request or answer."""

from tests.e2e.conftest import ClientKind, Device
from tests.support.client import Seen
from tests.support.node import NodeClient
from tests.support.publisher import Publisher
from tests.support.python_client import PythonClient
from tests.support.services import Services
from tests.support.tokens import token

POLLING = ("polling",)
WINDOW = 128


async def test_a_client_that_polls_gets_its_backlog_in_one_session(
    services: Services, device: Device, publisher: Publisher, alice: str, kind: ClientKind
) -> None:
    gateway, _ = await services.pair(GATEWAY_TRANSPORTS="websocket,polling", DISPATCHER_WINDOW=str(WINDOW))
    ids = [f"m{n}" for n in range(3 * WINDOW)]
    await publisher.burst(alice, ids)
    phone = device("phone", alice, kind)
    if isinstance(phone, NodeClient):
        phone.options = {"transports": list(POLLING)}
    if isinstance(phone, PythonClient):
        phone.transports = POLLING

    await phone.connect(gateway.url, token(alice), seen=Seen.CONFIRMED)
    await phone.received(ids, seconds=60)

    assert phone.ids == ids
    assert len(phone.sessions) == 1
    await publisher.waits(alice, 0)
