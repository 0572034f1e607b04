"""What `make up` gets and says with the profile `monitoring`, and without."""

from pathlib import Path

import pytest

from deploy.containers.engine import MONITORING_IMAGES, Compose
from deploy.containers.env_file import EnvFile
from deploy.containers.up import _what_next

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
