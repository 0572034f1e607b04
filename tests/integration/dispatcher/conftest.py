"""A dispatcher that serves, and a gateway beside it."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from tests.integration.dispatcher.gateway import Gateway
from tests.integration.dispatcher.running import Running, serving
from tests.support.bound import bound_by
from tests.support.load import Bound


@pytest.fixture
async def dispatcher(broker_url: str) -> AsyncIterator[Running]:
    """One dispatcher that owns all partitions, in the virtual host of this test."""
    async with serving(broker_url) as running:
        yield running


@pytest.fixture
async def gateway(dispatcher: Running, broker_url: str) -> AsyncIterator[Gateway]:
    gateway = await Gateway.join(broker_url)
    try:
        yield gateway
    finally:
        await gateway.leave()


@pytest.fixture
def bound(broker: Broker, broker_url: str) -> Bound:
    """Waits until a user's queue is bound: the order of what comes in that moment is not promised."""
    return bound_by(Management(broker.management_url), broker_url)
