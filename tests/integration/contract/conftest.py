"""The brokers that the contract is asked of."""

from collections.abc import AsyncIterator

import pytest

from deploy.local.broker import Broker, Kind
from tests.integration.contract.rabbit import Rabbit
from tests.integration.contract.real import RealRabbit
from tests.integration.contract.simulated import SimulatedRabbit
from tests.integration.contract.steps import CLASSIC, QUORUM


@pytest.fixture(params=[*CLASSIC, *QUORUM])
async def rabbit(request: pytest.FixtureRequest) -> AsyncIterator[Rabbit]:
    """Empty at first, with nobody connected."""
    broker: Rabbit
    quorum = request.param in QUORUM
    if request.param.startswith("simulated"):
        broker = SimulatedRabbit(quorum=quorum)
    else:
        node: Broker = request.getfixturevalue("broker")

        def restart() -> None:
            if node.kind == Kind.URL:
                pytest.skip("the broker that BROKER_URL names is not ours to restart")
            node.stop()
            node.start()

        broker = RealRabbit(request.getfixturevalue("broker_url"), restart, quorum=quorum)
    yield broker
    await broker.close()
