"""deploy/compose.yaml passes on what an operator writes into deploy/.env."""

import re
from pathlib import Path

import pytest
import yaml

from dispatcher.settings import Settings
from gateway.answers import VALUE_BYTES
from gateway.outbox import OUTCOMES_TOGETHER
from gateway.settings import GatewaySettings

COMPOSE = (Path(__file__).parents[2] / "deploy/compose.yaml").read_text()

NEED_A_FILE = {"BROKER_CA_FILE", "GATEWAY_JWKS_FILE", "GATEWAY_SOCKET_IO_CLIENT_FILE"}
"""deploy/README.md shows how one gets into a container."""


@pytest.mark.parametrize("kind", [GatewaySettings, Settings])
def test_every_setting_reaches_its_service(kind: type[GatewaySettings | Settings]) -> None:
    missing = {
        name.upper() for name in kind.model_fields if not re.search(rf"^ +{name.upper()}:", COMPOSE, re.MULTILINE)
    }

    assert missing <= NEED_A_FILE


@pytest.mark.parametrize("name", ["publisher", "operator", "maintainer", "client"])
def test_the_commands_know_which_type_of_queues_there_is(name: str) -> None:
    service = yaml.safe_load(COMPOSE)["services"][name]

    assert "BROKER_QUEUE_TYPE" in service["environment"]  # which `doctor` holds the queues against


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("haproxy", {"gateway", "client"}),
        ("client", {"gateway", "haproxy"}),
        ("grafana", {"prometheus"}),
        ("dispatcher", {"rabbitmq", "gateway", "prometheus", "publisher", "operator", "maintainer"}),
        ("rabbitmq", {"dispatcher", "gateway", "prometheus", "publisher", "operator", "maintainer"}),
    ],
)
def test_a_container_sees_those_that_it_needs_and_no_other(name: str, seen: set[str]) -> None:
    networks = {service: set(about["networks"]) for service, about in yaml.safe_load(COMPOSE)["services"].items()}

    assert {other for other in networks if other != name and networks[other] & networks[name]} == seen


def test_every_container_has_its_limits() -> None:
    for service in yaml.safe_load(COMPOSE)["services"].values():
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        known = {"memory": service.get("mem_limit"), "cpus": service.get("cpus"), "pids": service.get("pids_limit")}

        assert all(limits.get(kind) or limit for kind, limit in known.items())


def test_rabbitmq_takes_what_the_services_send_and_no_window_that_a_dispatcher_has_no_memory_for() -> None:
    conf = (Path(__file__).parents[2] / "deploy/rabbitmq/rabbitmq.conf").read_text()
    (most,) = map(int, re.findall(r"^max_message_size = (\d+)$", conf, re.MULTILINE))
    memory = yaml.safe_load(COMPOSE)["services"]["dispatcher"]["mem_limit"]
    window, message = (Settings.model_fields[name].default for name in ("dispatcher_window", "max_message_bytes"))
    escaped, copies = 6, 2.3  # of a message in the memory of a dispatcher, as measured

    assert most >= max(escaped * message, 1.1 * OUTCOMES_TOGETHER * VALUE_BYTES)
    assert copies * window * most < int(memory.removesuffix("m")) * 2**20 - 60_000_000
