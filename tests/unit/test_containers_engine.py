"""What `make up` says where Docker is missing, too old or without an image: each time, what to do about it."""

from pathlib import Path

import pytest

from deploy.containers.engine import Compose, NoEngine
from deploy.containers.env_file import EnvFile

ROOT = Path(__file__).parents[2]


@pytest.fixture
def compose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Compose:
    """With no program on the path but those that a test puts there."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("PYTHON_IMAGE", "RABBITMQ_IMAGE", "HAPROXY_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    return Compose(ROOT / "deploy/compose.yaml", EnvFile(tmp_path / ".env"), "restante-test")


def docker(folder: Path, *, compose: str = "echo 2.30.0", engine: str = "echo 27.0.1", image: str = "exit 1") -> None:
    """A program of that name, which answers so."""
    script = folder / "bin/docker"
    cases = {'"compose version"': compose, '"version --format"': engine, "*": image}
    answers = "".join(f"{case}) {answer} ;;\n" for case, answer in cases.items())
    script.write_text(f'#!/bin/sh\ncase "$1 $2" in\n{answers}esac\n')
    script.chmod(0o755)


def test_without_docker_it_says_what_to_install_and_what_needs_none(compose: Compose) -> None:
    with pytest.raises(NoEngine, match=r"no `docker` on this machine\. Install .* `make run`"):
        compose.check()


def test_without_the_plugin_it_says_how_that_is_called(compose: Compose, tmp_path: Path) -> None:
    docker(tmp_path, compose="exit 1")

    with pytest.raises(NoEngine, match=r"missing; version 2\.24 .* docker-compose-plugin"):
        compose.check()


def test_a_compose_that_is_too_old_is_named(compose: Compose, tmp_path: Path) -> None:
    docker(tmp_path, compose="echo v2.5.1")

    with pytest.raises(NoEngine, match=r"is v2\.5\.1; version 2\.24"):
        compose.check()


def test_an_engine_that_does_not_answer_is_told_in_its_own_words(compose: Compose, tmp_path: Path) -> None:
    docker(tmp_path, engine="echo permission denied on the socket >&2; exit 1")

    with pytest.raises(NoEngine, match=r"permission denied on the socket\nStart it, or log in"):
        compose.check()


def test_an_engine_that_is_too_old_is_named(compose: Compose, tmp_path: Path) -> None:
    docker(tmp_path, engine="echo 20.10.24")

    with pytest.raises(NoEngine, match=r"20\.10\.24 is too old: version 25"):
        compose.check()


def test_an_image_that_cannot_be_pulled_names_the_setting_for_another_one(compose: Compose, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RABBITMQ_IMAGE=registry.example/rabbitmq:4\n")
    docker(tmp_path, image='case "$*" in *registry.example*) echo no such host >&2; exit 1 ;; esac')

    with pytest.raises(
        NoEngine, match=r"registry\.example/rabbitmq:4 and cannot pull it: no such host\n.*RABBITMQ_IMAGE="
    ):
        list(compose.get_images())
