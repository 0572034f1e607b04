"""A user's queue that holds as much as its policy allows: whoever sends learns it, nothing is lost silently."""

import asyncio
from urllib.parse import quote, urlsplit

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from tests.e2e.conftest import Device
from tests.support.load import Bound
from tests.support.services import Services
from tests.support.tokens import token

WINDOW_AND_MORE = 40
"""What the dispatcher still holds of a user who has just left does not count against the queue's length."""


async def test_a_client_that_sends_to_a_full_queue_is_told_unavailable(
    services: Services, device: Device, bound: Bound, broker: Broker, alice: str, bob: str
) -> None:
    vhost = quote(urlsplit(services.broker_url).path[1:], safe="")
    definition = {"max-length": 1, "overflow": "reject-publish"}
    policy = {"pattern": r"^user\.bob", "apply-to": "queues", "definition": definition}
    management = Management(broker.management_url)
    await asyncio.to_thread(management.request, "PUT", f"/api/policies/{vhost}/retention", policy)
    gateway, _ = await services.pair()
    phone, away = device("phone", alice), device("phone", bob)
    await away.connect(gateway.url, token(bob))
    await bound(bob)
    await away.disconnect()
    await phone.connect(gateway.url, token(alice, send="*"))
    await phone.online()

    answers = [await phone.send(bob, 0)]
    while answers[-1]["ok"] and len(answers) < WINDOW_AND_MORE:
        answers.append(await phone.send(bob, len(answers)))

    assert answers[0]["ok"] is True
    assert (answers[-1]["ok"], answers[-1]["error"]) == (False, "unavailable")
