"""Waits until a user's queue is bound to `messages`; before that they go by way of `unrouted`."""

import asyncio
from urllib.parse import quote, urlsplit

from deploy.local.rabbitmq import Management
from shared.names import MESSAGES
from tests.support.load import Bound

BOUND_SECONDS = 60.0


def bound_by(management: Management, broker_url: str) -> Bound:
    """As RabbitMQ's management API says it."""
    vhost = quote(urlsplit(broker_url).path[1:] or "/", safe="")

    def bindings(user: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = management.request("GET", f"/api/bindings/{vhost}/e/{MESSAGES}/q/user.{user}")
        return found

    async def wait(user: str) -> None:
        deadline = asyncio.get_running_loop().time() + BOUND_SECONDS
        while not await asyncio.to_thread(bindings, user):
            assert asyncio.get_running_loop().time() < deadline, f"the queue of {user} is not bound"
            await asyncio.sleep(0.05)

    return wait
