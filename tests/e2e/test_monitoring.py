"""What alerts and dashboard ask for is what running services say: a real Prometheus collects from both and is asked."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Device
from tests.support.prometheus import alerts, collecting, names, shown
from tests.support.publisher import Publisher
from tests.support.python_client import PythonClient
from tests.support.services import Services
from tests.support.tokens import token

pytestmark = pytest.mark.timeout(300)


async def test_every_expression_of_alerts_and_dashboard_has_an_answer_from_running_services(
    services: Services, publisher: Publisher, device: Device, alice: str, tmp_path: Path
) -> None:
    gateway, dispatcher = await services.pair()
    jobs = {
        "dispatcher": [f"127.0.0.1:{dispatcher.health_port}"],
        "gateway": [f"127.0.0.1:{gateway.health_port}"],
    }
    phone = device("phone", alice, PythonClient)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.burst(alice, ["m1", "m2", "m3"])
    await phone.received(["m1", "m2", "m3"], seconds=60.0)
    async with collecting(tmp_path, jobs) as prometheus:
        await prometheus.told("sum(up)", 2)
        await prometheus.told('sum(restante_settled_total{outcome="confirmed"})', 3)
        await prometheus.told("sum(restante_delivery_seconds_count)", 3)
        await prometheus.told("min(count_over_time(up[5m])) > bool 1", 1)

        known = {found["metric"]["__name__"] for found in await prometheus.query('{__name__=~"restante_.*"}')}
        for alert in alerts():
            assert names(alert["expr"]) <= known, alert["alert"]
            await prometheus.query(alert["expr"])
        for panel, expression in shown():
            assert names(expression) <= known, panel
            assert await prometheus.query(expression), f"{panel}: nothing for {expression}"

        firing = await prometheus.query('ALERTS{alertstate="firing"}')
        assert firing == [], firing
