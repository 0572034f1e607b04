"""What `make up` gets, says and refuses."""

from pathlib import Path

import pytest
from yarl import URL

from deploy.containers.engine import MONITORING_IMAGES, Compose, Container, NoEngine
from deploy.containers.env_file import EnvFile
from deploy.containers.up import _what_next, load_definitions
from shared.settings import BrokerSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EnvFile:
    """With a `docker` that knows no container and can pull everything."""
    for name in ("COMPOSE_PROFILES", "GRAFANA_PORT", "GRAFANA_PASSWORD", *MONITORING_IMAGES):
        monkeypatch.delenv(name, raising=False)
    program = tmp_path / "bin/docker"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\n[ "$1" != image ]\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return EnvFile(tmp_path / ".env")


def compose(env_file: EnvFile) -> Compose:
    env_file.complete()
    return Compose(ROOT / "deploy/compose.yaml", env_file, "restante-test")


def test_with_the_profile_it_gets_the_images_and_says_where_grafana_is_and_who_logs_in(env_file: EnvFile) -> None:
    env_file.path.write_text("COMPOSE_PROFILES=monitoring\nGRAFANA_PORT=3456\nGRAFANA_PASSWORD=known\n")

    images = set(compose(env_file).get_images())
    said = _what_next(compose(env_file), env_file, 1.0)

    assert set(MONITORING_IMAGES.values()) <= images
    assert "http://127.0.0.1:3456/   operator / known" in said
    assert f"http://127.0.0.1:{env_file.values['PROMETHEUS_PORT']}/alerts" in said


def test_without_it_neither_is_got_nor_spoken_of(env_file: EnvFile) -> None:
    images = set(compose(env_file).get_images())
    said = _what_next(compose(env_file), env_file, 1.0)

    assert not set(MONITORING_IMAGES.values()) & images
    assert "Grafana" not in said
    assert "GRAFANA_PORT" not in env_file.values


@pytest.mark.parametrize("character", "/?#[]%,\\$")
def test_a_password_that_would_be_another_in_an_address_is_refused_before_anything_starts(
    env_file: EnvFile, character: str
) -> None:
    env_file.path.write_text(f"GATEWAY_PASSWORD=swordfish{character}41\n")

    with pytest.raises(NoEngine, match="GATEWAY_PASSWORD") as refused:
        load_definitions(compose(env_file), env_file)

    assert "swordfish" not in str(refused.value)
    assert not env_file.definitions.exists()


@pytest.mark.parametrize("character", [*"@:+=!&*;~", " ", "ü"])
def test_any_other_password_is_the_same_in_an_address(env_file: EnvFile, character: str) -> None:
    password = f"swordfish{character}41"
    env_file.path.write_text(f"GATEWAY_PASSWORD={password}\n")

    load_definitions(compose(env_file), env_file)

    address = f"amqp://gateway:{password}@rabbitmq:5672/restante"
    [url] = BrokerSettings.model_validate({"broker_url": address}).broker_url
    assert (URL(url.get_secret_value()).password, URL(url.get_secret_value()).host) == (password, "rabbitmq")


def test_accounts_that_rabbitmq_did_not_take_are_given_to_it_again_by_the_next_run(
    env_file: EnvFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = compose(env_file)
    load_definitions(known, env_file)
    env_file.path.write_text(env_file.path.read_text().replace("GATEWAY_PASSWORD=", "GATEWAY_PASSWORD=new"))
    told: list[str] = []

    def run_in(_service: str, *command: str) -> str:
        told.append(command[1])
        if len(told) == 1:
            raise NoEngine("RabbitMQ is busy")
        return ""

    monkeypatch.setattr(known, "containers", lambda: [Container("restante-rabbitmq-1", "rabbitmq", "healthy")])
    monkeypatch.setattr(known, "run_in", run_in)

    with pytest.raises(NoEngine):
        load_definitions(known, env_file)
    load_definitions(known, env_file)
    load_definitions(known, env_file)

    assert told == ["import_definitions"] * 2
