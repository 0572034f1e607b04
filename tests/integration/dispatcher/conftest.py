"""A dispatcher that serves, and a gateway beside it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from dispatcher.app import App
from dispatcher.settings import Settings
from tests.integration.dispatcher.gateway import Gateway
from tests.integration.dispatcher.running import Running
from tests.support.bound import bound_by
from tests.support.load import Bound
from tests.support.until import until


@pytest.fixture
async def dispatcher(broker_url: str) -> AsyncIterator[Running]:
    """One dispatcher that owns all partitions, in the virtual host of this test."""
    settings = Settings.model_validate(
        {
            "broker_url": broker_url,
            "dispatcher_listen": "127.0.0.1:0",
            "dispatcher_linger_seconds": 0.2,
            "dispatcher_drain_seconds": 1.0,
        }
    )
    asyncio.get_running_loop().set_debug(False)  # it makes each of a thousand tasks cost several times as much
    stop = asyncio.Event()
    app = App(settings)
    task = asyncio.create_task(app.run(stop))
    running = Running(app, stop, task, broker_url)
    try:
        await until(lambda: task.done() or running.value("partitions_owned") == 64, "all partitions owned", 30)
        yield running
    finally:
        stop.set()
        await task


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
