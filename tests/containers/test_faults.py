"""Containers that are killed, frozen, cut off and replaced under load: nothing is lost, reordered or repeated."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from deploy.containers.upgrade import upgrade
from tests.containers.conftest import DISPATCHERS, GATEWAYS
from tests.support.client import Client
from tests.support.containers import Installation, docker
from tests.support.history import History
from tests.support.judge import judge
from tests.support.load import Load

MESSAGES = 300

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # the first one starts it all


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to a container of a project, and what ends it."""

    strike: Callable[[Installation, str, str], str]
    heal: Callable[[Installation, str, str], str]


def _cut(installation: Installation, name: str, network: str) -> str:
    return docker("network", "disconnect", installation.network(network), name)


def _join(installation: Installation, name: str, network: str) -> str:
    service = name.split("-")[-2]
    return docker("network", "connect", "--alias", service, installation.network(network), name)


FAULTS = {
    "killed": Fault(lambda _i, name, _n: docker("kill", name), lambda _i, name, _n: docker("start", name)),
    "frozen": Fault(lambda _i, name, _n: docker("pause", name), lambda _i, name, _n: docker("unpause", name)),
    "cut off": Fault(_cut, _join),
}


def load(installation: Installation, devices: list[Client], history: History) -> Load:
    return Load(installation.publisher_url, installation.url, devices, history, MESSAGES, installation.bound)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_gateway_and_a_dispatcher_that_are_gone_for_a_while_lose_reorder_and_repeat_nothing(
    installation: Installation, devices: list[Client], history: History, fault: str
) -> None:
    await installation.ready()
    gateway, dispatcher = installation.names("gateway")[0], installation.names("dispatcher")[0]
    # A gateway without its clients, a dispatcher without its broker: what each of them lives on.
    struck = [(gateway, "clients"), (dispatcher, "broker")]

    async with AsyncExitStack() as healing, load(installation, devices, history) as running:
        for share, (name, network) in zip((0.2, 0.4), struck, strict=True):
            await running.passed(share)
            await asyncio.to_thread(FAULTS[fault].strike, installation, name, network)
            healing.push_async_callback(asyncio.to_thread, FAULTS[fault].heal, installation, name, network)
        await running.drained(seconds=90)
        await healing.aclose()  # what comes back knows an old state of things
        await installation.empty([device.user for device in devices])

    assert judge(history).clean, judge(history)


async def test_an_upgrade_under_load_replaces_everything_and_every_gateway_drains(
    installation: Installation, devices: list[Client], history: History, capsys: pytest.CaptureFixture[str]
) -> None:
    await installation.ready()
    before = {*installation.names("gateway"), *installation.names("dispatcher")}
    with installation.env_file.path.open("a") as settings:
        settings.write("LOG_LEVEL=debug\n")

    async with load(installation, devices, history) as running:
        await running.passed(0.1)
        rolling = asyncio.create_task(asyncio.to_thread(upgrade, installation.compose, installation.env_file))
        await running.drained(seconds=90)
        replaced = await rolling
        await installation.empty([device.user for device in devices])

    after = {*installation.names("gateway"), *installation.names("dispatcher")}
    assert replaced == len(before) == GATEWAYS + DISPATCHERS
    assert not before & after
    assert len(after) == GATEWAYS + DISPATCHERS
    assert ", code" not in (said := capsys.readouterr().out), said
    assert ", with code" not in said, said
    # Each gateway's end sends a client on once: it is not cut again and again.
    assert all(len(device.sessions) <= 1 + GATEWAYS for device in devices)
    assert judge(history).clean, judge(history)


async def test_an_upgrade_of_what_is_up_to_date_touches_nothing(installation: Installation) -> None:
    before = docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={installation.project}")

    assert await asyncio.to_thread(upgrade, installation.compose, installation.env_file) == 0

    assert docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={installation.project}") == before
