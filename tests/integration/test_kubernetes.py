"""deploy/kubernetes as far as it can be judged without a cluster: the API's schemas, and that all names meet."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic_settings import BaseSettings

from dispatcher.generation import LEAVE_SECONDS
from dispatcher.life import TEARDOWN_SECONDS
from dispatcher.settings import Settings as DispatcherSettings
from gateway.app import FLUSH_SECONDS, GONE_SECONDS
from gateway.settings import GatewaySettings
from shared.http import SHUTDOWN_SECONDS
from tests.support.kubernetes import KUBERNETES, Rendered, Resource, container, pod, rendered

OLDEST, NEWEST = "1.30", "1.37"
SERVICES = ("gateway", "dispatcher")
SETTINGS: dict[str, type[BaseSettings]] = {"gateway": GatewaySettings, "dispatcher": DispatcherSettings}
SECRET = "x" * 32


@pytest.fixture(scope="module", params=["base", "overlays/production"])
def place(request: pytest.FixtureRequest) -> Rendered:
    """The base as it is, and what the overlay makes of it."""
    return rendered(KUBERNETES / request.param)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_resource_is_what_the_api_takes(place: Rendered, version: str) -> None:
    assert place.resources

    for resource in place.resources:
        kubernetes_validate.validate(resource, version, strict=True)


def test_every_file_belongs_to_a_kustomization() -> None:
    for made in KUBERNETES.rglob("kustomization.yaml"):
        content = yaml.safe_load(made.read_text())
        named = {*content["resources"], *(patch["path"] for patch in content.get("patches", []))}
        there = {file.name for file in made.parent.glob("*.yaml")} - {made.name}

        assert there == {name for name in named if name.endswith(".yaml")}


def test_selectors_meet_the_pods_that_they_mean(place: Rendered, service: str) -> None:
    deployment = place.one("Deployment", service)
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        place.one("PodDisruptionBudget", service)["spec"]["selector"]["matchLabels"],
        place.one("Service", f"{service}-admin")["spec"]["selector"],
        place.one("NetworkPolicy", service)["spec"]["podSelector"]["matchLabels"],
        *(c["labelSelector"]["matchLabels"] for c in pod(deployment)["spec"]["topologySpreadConstraints"]),
    ]

    for selector in selectors:
        assert place.selected(selector) == [deployment]
    everybody = place.one("NetworkPolicy", "restante-default")["spec"]["podSelector"]["matchLabels"]
    assert place.selected(everybody) == place.of("Deployment")


def test_ports_that_are_named_are_there(place: Rendered, service: str) -> None:
    there = {port["name"]: port["containerPort"] for port in container(place.one("Deployment", service))["ports"]}
    named = [_probe(place, service, kind)["port"] for kind in ("startup", "liveness", "readiness")]
    for resource in place.of("Service"):
        if resource["spec"]["selector"]["app.kubernetes.io/name"] == service:
            named += [port["targetPort"] for port in resource["spec"]["ports"]]
    for rule in place.one("NetworkPolicy", service)["spec"]["ingress"]:
        named += [port["port"] for port in rule["ports"]]

    assert set(named) == set(there)
    settings = _configuration(place, service)
    listens = {int(value.rpartition(":")[2]) for name, value in settings.items() if name.endswith("_LISTEN")}
    assert listens == set(there.values())


def test_the_settings_are_those_that_the_services_know(place: Rendered, service: str) -> None:
    given = _configuration(place, service)
    names = {
        name for variable in SETTINGS[service].model_fields for name in (variable.upper(), f"{variable.upper()}_FILE")
    }
    secrets = [variable["name"] for variable in container(place.one("Deployment", service))["env"]]

    assert {*given, *secrets} <= names
    with _environment({**given, "GATEWAY_JWT_SECRET": SECRET}):
        SETTINGS[service]()


def test_secrets_are_only_pointed_at(place: Rendered, service: str) -> None:
    deployment = place.one("Deployment", service)
    volume = next(v for v in pod(deployment)["spec"]["volumes"] if v["name"] == "secrets")
    mount = next(m for m in container(deployment)["volumeMounts"] if m["name"] == "secrets")

    files = {f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]}
    assert files == {variable["value"] for variable in container(deployment)["env"]}
    assert not place.of("Secret")
    assert not [name for name in _configuration(place, service) if "SECRET" in name or name == "BROKER_URL"]


def test_the_readme_makes_the_secrets_that_the_pods_mount(place: Rendered, service: str) -> None:
    secret = next(v["secret"] for v in pod(place.one("Deployment", service))["spec"]["volumes"] if "secret" in v)
    readme = (KUBERNETES / "README.md").read_text()

    command = readme.partition(f"create secret generic {secret['secretName']} ")[2].partition("\n```")[0]
    command = command.partition("kubectl")[0]
    for item in secret["items"]:
        assert f"--from-literal={item['key']}=" in command or f"--from-file={item['key']}=" in command


def test_a_pod_has_time_for_all_that_its_end_may_take(place: Rendered) -> None:
    gateway, dispatcher = place.one("Deployment", "gateway"), place.one("Deployment", "dispatcher")
    pre_stop = int(container(gateway)["lifecycle"]["preStop"]["exec"]["command"][1])
    drains = {s: float(_configuration(place, s)[f"{s.upper()}_DRAIN_SECONDS"]) for s in SERVICES}

    leaves = pre_stop + drains["gateway"] + GONE_SECONDS + 2 * FLUSH_SECONDS + 2 * SHUTDOWN_SECONDS
    assert pod(gateway)["spec"]["terminationGracePeriodSeconds"] > leaves
    leaves = drains["dispatcher"] + LEAVE_SECONDS + TEARDOWN_SECONDS + SHUTDOWN_SECONDS
    assert pod(dispatcher)["spec"]["terminationGracePeriodSeconds"] > leaves


def test_an_upgrade_goes_one_by_one_and_takes_nobody_away_before_another_is_there(
    place: Rendered, service: str
) -> None:
    deployment = place.one("Deployment", service)

    assert deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert place.one("PodDisruptionBudget", service)["spec"]["maxUnavailable"] == 1
    assert deployment["spec"]["replicas"] > 1
    assert _probe(place, service, "readiness")["path"] == "/readyz"
    assert _probe(place, service, "liveness")["path"] == "/healthz", "a broker that is away is no reason to restart"


def test_a_pod_may_do_nothing_but_its_work(place: Rendered, service: str) -> None:
    deployment = place.one("Deployment", service)
    spec = pod(deployment)["spec"]

    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(deployment)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(deployment)["resources"]["limits"]["memory"]
    assert container(deployment)["command"] == ["python", "-m", service]


def test_the_ingress_leads_to_a_service_that_is_there() -> None:
    place = rendered(KUBERNETES / "overlays" / "production")

    for rule in place.one("Ingress", "gateway")["spec"]["rules"]:
        for path in rule["http"]["paths"]:
            target = path["backend"]["service"]
            found = next(s for s in place.of("Service") if s["metadata"]["name"] == target["name"])
            assert target["port"]["name"] in [port["name"] for port in found["spec"]["ports"]]


def _probe(place: Rendered, service: str, kind: str) -> dict[str, str]:
    asked: dict[str, str] = container(place.one("Deployment", service))[f"{kind}Probe"]["httpGet"]
    return asked


def _configuration(place: Rendered, service: str) -> dict[str, str]:
    """Of the config map that the deployment names, under the very name that it has."""
    (source,) = container(place.one("Deployment", service))["envFrom"]
    found: Resource = next(c for c in place.of("ConfigMap") if c["metadata"]["name"] == source["configMapRef"]["name"])
    content: dict[str, str] = found["data"]
    return content


@contextmanager
def _environment(given: dict[str, Any]) -> Iterator[None]:
    before = dict(os.environ)
    try:
        os.environ.update(given)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
