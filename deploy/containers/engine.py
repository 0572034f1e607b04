"""Docker and its Compose, by their commands: what they fail at becomes one message that says what to do."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.containers.env_file import EnvFile

IMAGES = {
    "PYTHON_IMAGE": "python:3.13-slim",
    "RABBITMQ_IMAGE": "rabbitmq:4-management",
    "HAPROXY_IMAGE": "haproxy:3.0",
}
MONITORING_IMAGES = {"PROMETHEUS_IMAGE": "prom/prometheus:v3.5.0", "GRAFANA_IMAGE": "grafana/grafana:12.1.0"}

_OLDEST_COMPOSE = (2, 24)
_LAST_LINES = 15
_HASH_LABEL = "com.docker.compose.config-hash"


class NoEngine(Exception):
    """Docker is not there, or does not do what we need; says what to do about it."""


@dataclass(frozen=True, slots=True)
class Container:
    """`state` is the health where there is a health check, else whether it runs."""

    name: str
    service: str
    state: str


class Compose:
    """One project of Docker Compose."""

    def __init__(self, file: Path, env_file: EnvFile, project: str) -> None:
        self._file = file
        self._env_file = env_file
        self._project = project

    def command(self, *arguments: str) -> list[str]:
        usual = self._env_file.path == self._file.with_name(".env")
        where = [] if usual else ["--env-file", str(self._env_file.path)]
        name = [] if self._project == "restante" else ["--project-name", self._project]
        over = [self._file.with_name("compose.cluster.yaml")] if self._env_file.cluster else []
        files = [part for file in (self._file, *over) for part in ("--file", os.path.relpath(file))]
        return ["docker", "compose", *files, *where, *name, *arguments]

    def check(self) -> None:
        """Raises `NoEngine` when this machine cannot run containers."""
        if shutil.which("docker") is None:
            raise NoEngine(
                "There is no `docker` on this machine. Install Docker Engine 25 or newer with its Compose plugin "
                "(Docker's documentation has a page for each system), or use `make run`, which needs no containers."
            )
        found = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False)
        version = tuple(int(part) for part in re.findall(r"\d+", found.stdout)[:2])
        if found.returncode or version < _OLDEST_COMPOSE:
            raise NoEngine(
                f"`docker compose` is {found.stdout.strip() or 'missing'}; version 2.24 or newer is needed. "
                "It is a plugin of its own: docker-compose-plugin or docker-compose in most systems' packages."
            )
        answer = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, check=False
        )
        if answer.returncode:
            raise NoEngine(
                f"No Docker engine answers: {answer.stderr.strip()}\nStart it, or log in as one who may use it."
            )
        if int(answer.stdout.partition(".")[0] or 0) < 25:
            raise NoEngine(f"Docker Engine {answer.stdout.strip()} is too old: version 25 or newer is needed.")

    def get_images(self) -> Iterator[str]:
        """Gives the name of each that it is about to pull. Raises `NoEngine` when one cannot be had."""
        values = self._env_file.values
        wanted = IMAGES | (MONITORING_IMAGES if self._env_file.monitoring else {})
        for variable, usual in wanted.items():
            image = values.get(variable, usual)
            if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode == 0:
                continue
            yield image
            pulled = subprocess.run(["docker", "pull", "--quiet", image], capture_output=True, text=True, check=False)
            if pulled.returncode:
                raise NoEngine(
                    f"Docker has no image {image} and cannot pull it: {pulled.stderr.strip()}\n"
                    f"If you have it under another name or from another registry, say so: {variable}=NAME in "
                    f"{self._env_file.path} or in the environment."
                )

    def build(self) -> None:
        self._run("build", "--quiet", "gateway", failed="The image cannot be built")

    @contextmanager
    def starting(self, scale: list[str]) -> Iterator[subprocess.Popen[str]]:
        """Starts everything and waits until it is healthy; raises `NoEngine` at the end of the block if that fails."""
        scaled = [part for wanted in scale for part in ("--scale", wanted)]
        command = self.command("up", "--detach", "--no-build", "--remove-orphans", "--wait", *scaled)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
            with subprocess.Popen(command, env=self._environment(), stdout=said, stderr=said, text=True) as process:
                yield process
            if process.returncode:
                said.seek(0)
                raise NoEngine(f"Not everything started:\n{_last(said.read())}\n{self._why()}")

    def containers(self) -> list[Container]:
        """Those of the services, in no order."""
        listed = subprocess.run(
            self.command("ps", "--all", "--format", "json"),
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        # One object for each line, or one list of all: it depends on the version.
        rows: list[dict[str, Any]] = []
        for line in listed.stdout.splitlines():
            told = json.loads(line)
            rows += told if isinstance(told, list) else [told]
        return [Container(row["Name"], row["Service"], row.get("Health") or row["State"]) for row in rows]

    def run_in(self, service: str, *command: str) -> str:
        """What `command` prints in the first container of `service`. Raises `NoEngine`."""
        return self._run("exec", "--no-TTY", service, *command, failed=f"`{' '.join(command)}` failed in {service}")

    def down(self, *, volumes: bool) -> None:
        deleting = ["--volumes"] if volumes else []
        # With the profiles, or what `docker compose run` left behind would stay, and what was started with one.
        profiles = ("--profile", "commands", "--profile", "monitoring")
        command = self.command(*profiles, "down", "--remove-orphans", *deleting)
        if subprocess.run(command, env=self._environment(), check=False).returncode:
            raise NoEngine("Not everything could be stopped.")

    def _run(self, *arguments: str, failed: str) -> str:
        done = subprocess.run(
            self.command(*arguments), env=self._environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NoEngine(f"{failed}:\n{_last(done.stderr)}")
        return done.stdout

    def outdated(self, service: str) -> list[str]:
        """Its containers, oldest first, that are not of the image or the settings that a new one would have."""
        (said,) = self._run("config", "--hash", service, failed="Compose").splitlines()
        wanted = [_docker("image", "inspect", "--format", "{{.Id}}", self._image(service)), said.split()[1]]
        shown = f'{{{{.Created}}}} {{{{.Image}}}} {{{{index .Config.Labels "{_HASH_LABEL}"}}}} {{{{.Name}}}}'
        names = [container.name for container in self.containers() if container.service == service]
        found = sorted(_docker("inspect", "--format", shown, name).split() for name in names)
        return [name.removeprefix("/") for _, *made_of, name in found if made_of != wanted]

    def start_more(self, counts: dict[str, int]) -> None:
        """So that there are so many of each service. What runs is left as it is."""
        scaled = [part for name, count in counts.items() for part in ("--scale", f"{name}={count}")]
        self._run("up", "--detach", "--no-build", "--no-recreate", *scaled, *counts, failed="Not started")

    def drain(self, name: str) -> int:
        """Ends a container, within its grace, and removes it. Its exit code."""
        _docker("stop", name)
        code = int(_docker("inspect", "--format", "{{.State.ExitCode}}", name))
        self.remove(name)
        return code

    def remove(self, name: str) -> None:
        _docker("rm", "--force", "--volumes", name)

    def state(self, name: str) -> str:
        """Its health; `exited` and the like if it does not run."""
        return _docker(
            "inspect",
            "--format",
            '{{if eq .State.Status "running"}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}',
            name,
        )

    def _image(self, service: str) -> str:
        image: str = json.loads(self._run("config", "--format", "json", failed="Compose"))["services"][service]["image"]
        return image

    def _why(self) -> str:
        """The end of the log of whatever is not well."""
        ill = [container for container in self.containers() if container.state not in ("healthy", "running", "created")]
        return "\n".join(f"-- {one.name} ({one.state}):\n{self.last_lines(one.name)}" for one in ill[:2])

    def last_lines(self, name: str) -> str:
        """The end of a container's log."""
        command = ["docker", "logs", "--tail", str(_LAST_LINES), name]
        log = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return log.stdout.rstrip()

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "RABBITMQ_DEFINITIONS": str(self._env_file.definitions)}


def _docker(*arguments: str) -> str:
    """What it prints. Raises `NoEngine`."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoEngine(f"docker {arguments[0]}: {_last(done.stderr)}")
    return done.stdout.strip()


def _last(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-_LAST_LINES:])
