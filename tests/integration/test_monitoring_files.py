"""deploy/prometheus and deploy/grafana by themselves: promtool takes them, each alert is raised, compose finds them."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.containers.env_file import EnvFile
from tests.support.prometheus import FOLDER, alerts, needed, panels
from tests.support.services import ROOT

TESTS = FOLDER / "restante.test.yml"
COMPOSE = ROOT / "deploy/compose.yaml"


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    needed("promtool")
    return subprocess.run(["promtool", *words], cwd=FOLDER, capture_output=True, text=True, check=False)


def test_prometheus_takes_its_configuration_with_the_rules() -> None:
    said = promtool("check", "config", "prometheus.yml")

    assert said.returncode == 0, said.stdout + said.stderr


def test_each_alert_is_raised_by_its_cause_and_not_without() -> None:
    said = promtool("test", "rules", TESTS.name)

    assert said.returncode == 0, said.stdout + said.stderr


def test_no_alert_is_left_out_of_that_test() -> None:
    tested = TESTS.read_text()

    assert [alert["alert"] for alert in alerts() if alert["alert"] not in tested] == []


def test_each_alert_says_what_is_wrong_what_to_do_and_how_urgent_it_is() -> None:
    for alert in alerts():
        assert alert["labels"]["severity"] in {"critical", "warning"}, alert["alert"]
        assert all(alert["annotations"][name].endswith((".", "?")) for name in ("summary", "action")), alert["alert"]


def test_each_panel_asks_our_datasource_and_says_what_it_shows() -> None:
    provisioned = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yaml").read_text())
    uids = {source["uid"] for source in provisioned["datasources"]}

    for panel in panels():
        assert panel["description"], panel["title"]
        assert {panel["datasource"]["uid"], *(target["datasource"]["uid"] for target in panel["targets"])} <= uids


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels())
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len({panel["id"] for panel in panels()}) == len(panels())
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize(("profiles", "there"), [("monitoring", True), ("", False)])
def test_compose_starts_them_with_the_profile_and_mounts_what_exists(
    tmp_path: Path, profiles: str, there: bool
) -> None:
    if shutil.which("docker") is None:
        pytest.skip("needs `docker compose`")
    env = tmp_path / ".env"
    env.write_text(f"COMPOSE_PROFILES={profiles}\n")
    EnvFile(env).complete()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    said = subprocess.run(
        ["docker", "compose", "--file", COMPOSE, "--env-file", env, "config", "--format", "json"],
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stderr
    services = json.loads(said.stdout)["services"]
    assert ({"prometheus", "grafana"} <= services.keys()) == there
    for name in {"prometheus", "grafana"} & services.keys():
        binds = [volume["source"] for volume in services[name]["volumes"] if volume["type"] == "bind"]
        assert binds
        assert all(Path(source).is_dir() for source in binds), binds
