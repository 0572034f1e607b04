"""How the two programs start, wait and end."""

import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import Device
from tests.support.balancer import Balancer
from tests.support.publisher import Publisher
from tests.support.services import ROOT, SETTINGS, Services, free_port
from tests.support.tokens import token
from tests.support.until import until


def run(service: str, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", service, *arguments],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **settings},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


async def test_both_services_drain_and_exit_0_on_sigterm(services: Services, device: Device, alice: str) -> None:
    gateway, dispatcher = await services.pair()
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    gateway.terminate()
    assert await gateway.ended() == 0
    await until(lambda: phone.disconnects, "the client notices")
    dispatcher.terminate()
    assert await dispatcher.ended() == 0

    assert phone.disconnects == ["transport close"]  # the reason after which the stock client comes back
    for service in (gateway, dispatcher):
        assert "Traceback" not in service.tail()


@pytest.mark.parametrize("level", ["debug", "info"])
async def test_who_comes_and_goes_is_logged_where_that_is_asked_for(
    services: Services, publisher: Publisher, device: Device, alice: str, level: str
) -> None:
    gateway, dispatcher = await services.pair(LOG_LEVEL=level)
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.consumed(alice, by=1)

    await phone.disconnect()
    await publisher.consumed(alice, by=0)

    told = gateway.log.read_text() + dispatcher.log.read_text()
    events = ("session begins", "session over", "a user's queue is consumed", "a user's queue is let go")
    assert [event in told for event in events] == [level == "debug"] * 4
    assert (f"user={alice}" in told) is (level == "debug")


async def test_both_services_end_on_sigint_too(services: Services) -> None:
    for service in await services.pair():
        service.process.send_signal(signal.SIGINT)
        assert await service.ended() == 0
        assert "Traceback" not in service.tail()


@pytest.mark.parametrize(
    ("service", "settings"),
    [
        ("gateway", {}),  # neither a secret nor a key set
        ("gateway", {**SETTINGS, "GATEWAY_LISTEN": "everywhere"}),
        ("gateway", {**SETTINGS, "GATEWAY_CONFIRM_TIMEOUT_SECONDS": "1"}),
        ("gateway", {**SETTINGS, "GATEWAY_DEMO": "true", "GATEWAY_LISTEN": "0.0.0.0:0"}),
        ("dispatcher", {"DISPATCHER_WINDOW": "1000"}),
        ("dispatcher", {"BROKER_URL": "http://127.0.0.1/"}),
    ],
)
def test_a_wrong_setting_ends_the_process_with_code_3_and_one_clear_line(
    service: str, settings: dict[str, str]
) -> None:
    ended = run(service, **settings)

    assert ended.returncode == 3, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert any(name.isupper() for name in ended.stderr.replace(":", " ").split())


@pytest.mark.parametrize("service", ["gateway", "dispatcher"])
def test_arguments_are_refused_with_code_2_and_one_clear_line(service: str) -> None:
    ended = run(service, "--window=3", **SETTINGS)

    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr


@pytest.mark.parametrize("service", ["gateway", "dispatcher"])
def test_help_prints_every_setting_with_its_default(service: str) -> None:
    ended = run(service, "--help")

    assert ended.returncode == 0, ended.stderr
    assert "BROKER_URL" in ended.stdout
    assert "127.0.0.1:800" in ended.stdout


async def test_a_gateway_that_starts_before_any_dispatcher_waits_and_then_serves(
    services: Services, publisher: Publisher, device: Device, alice: str
) -> None:
    gateway = services.gateway()
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))

    dispatcher = services.dispatcher()
    await dispatcher.ready()
    await publisher.publish(alice, "early", id="m1")
    await phone.received(["m1"])

    await gateway.ready()


async def test_a_broker_that_is_away_at_the_start_is_waited_for(
    services: Services, device: Device, alice: str, broker_url: str
) -> None:
    address = free_port()
    url = urlsplit(broker_url)._replace(netloc=f"guest:guest@127.0.0.1:{address}").geturl()
    gateway = services.gateway(BROKER_URL=url)
    dispatcher = services.dispatcher(BROKER_URL=url)
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))

    await gateway.not_ready()
    await dispatcher.not_ready()
    assert (await gateway.get("/healthz"))[0] == (await dispatcher.get("/healthz"))[0] == 200
    async with Balancer([_port(broker_url)], port=address):
        await gateway.ready()
        await dispatcher.ready()
        await phone.online()
        await services.end()

    assert not phone.refusals


async def test_of_several_broker_addresses_one_that_answers_is_enough(services: Services, broker_url: str) -> None:
    nobody = f"amqp://guest:guest@127.0.0.1:{free_port()}/"

    await services.pair(BROKER_URL=f"{nobody},{broker_url}")


async def test_a_port_that_is_taken_ends_the_process_with_a_clear_line(services: Services, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        dispatcher = services.dispatcher(DISPATCHER_LISTEN=address)

        assert await dispatcher.ended() != 0

    assert address in dispatcher.tail()
    assert "Traceback" not in dispatcher.tail()


def _port(url: str) -> int:
    return urlsplit(url).port or 5672
