"""A RabbitMQ in a container, by testcontainers: where a Docker engine answers and the image can be had."""

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from deploy.local import signals
from deploy.local.ports import free
from deploy.local.rabbitmq import Management, NoBroker, await_up

IMAGE = "rabbitmq:4-management"
_ENGINE_SECONDS = 30
_START_SECONDS = 120.0
_STOP_SECONDS = 20
_DATA = "/var/lib/rabbitmq"


class Container:
    """Not started yet. Its name and its volume belong to `folder`; ports stay the same over `stop` and `start`."""

    kind = "docker"

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._image = os.environ.get("RABBITMQ_IMAGE") or IMAGE
        self._name = _name(folder)
        self._engine = _engine()
        try:
            self._get_image(say)
        except NoBroker:
            self._engine.close()
            raise
        self._amqp, self._http = free(2)
        self._container: Any = None
        self.url = f"amqp://guest:guest@127.0.0.1:{self._amqp}/"
        self.management_url = f"http://guest:guest@127.0.0.1:{self._http}/"
        self.version = ""

    def running(self) -> bool:
        if self._container is None:
            return False
        try:
            self._container.reload()
        except docker.errors.DockerException:
            return False
        return bool(self._container.status == "running")

    def start(self) -> None:
        """Idempotent. Raises NoBroker."""
        if self.running():
            return
        try:
            if self._container is None:
                self._create()
            else:
                self._container.start()
            self.version = await_up(self._amqp, Management(self.management_url), self.running, _START_SECONDS)
        except (NoBroker, docker.errors.DockerException) as err:
            shown = "" if self._container is None else self._container.logs(tail=15).decode(errors="replace")
            self.close()
            raise NoBroker(f"{err}\n{shown}".rstrip()) from err

    def stop(self) -> None:
        """A clean stop. Idempotent."""
        if self._container is not None:
            self._container.stop(timeout=_STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL, as in a crash. Idempotent."""
        if self.running():
            self._container.kill()
            self._container.wait()

    def close(self) -> None:
        """Stops and removes the container; the volume stays."""
        with signals.deferred(), suppress(docker.errors.NotFound):
            self.stop()
            _remove(self._engine, self._name)
        self._container = None
        self._engine.close()

    def _create(self) -> None:
        # The reaper is a second image to pull; what a killed run leaves, the next one removes by its name.
        testcontainers_config.ryuk_disabled = True
        _remove(self._engine, self._name)
        wanted = DockerContainer(self._image).with_name(self._name)
        wanted.with_kwargs(hostname="restante")  # the data's folder is named after it
        wanted.with_volume_mapping(self._name, _DATA, "rw")
        # Loopback only: guest may log in from anywhere.
        ports: Any = {"5672/tcp": ("127.0.0.1", self._amqp), "15672/tcp": ("127.0.0.1", self._http)}
        wanted.ports = ports
        with signals.deferred():
            self._container = wanted.start().get_wrapped_container()

    def _get_image(self, say: Callable[[str], None]) -> None:
        try:
            self._engine.images.get(self._image)
        except docker.errors.ImageNotFound:
            say(f"Pulling the image {self._image} ...")
            try:
                self._engine.images.pull(self._image)
            except (docker.errors.DockerException, requests.RequestException) as err:
                raise NoBroker(f"Docker's engine has no image {self._image} and cannot pull it") from err


def forget(folder: Path) -> None:
    """Removes the container and the data that belong to `folder`, if there is an engine and it has any."""
    try:
        engine = _engine()
    except NoBroker:
        return
    with suppress(docker.errors.NotFound):
        _remove(engine, _name(folder))
        engine.volumes.get(_name(folder)).remove(force=True)
    engine.close()


def _engine() -> Any:
    remote = os.environ.get("DOCKER_HOST", "")
    if remote and not remote.startswith(("unix://", "npipe://")):
        raise NoBroker("Docker's engine is on another machine (DOCKER_HOST)")
    if not remote and sys.platform == "linux" and not Path("/var/run/docker.sock").exists():
        raise NoBroker("no Docker engine is installed")
    try:
        return _pinged(docker.from_env(timeout=_ENGINE_SECONDS))
    except (docker.errors.DockerException, requests.RequestException) as err:
        raise NoBroker("no Docker engine answers") from err


def _pinged(engine: Any) -> Any:
    try:
        engine.ping()
    except BaseException:  # also when stopped meanwhile: its connections would stay open
        engine.close()
        raise
    return engine


def _remove(engine: Any, name: str) -> None:
    with suppress(docker.errors.NotFound):
        engine.containers.get(name).remove(force=True, v=True)


def _name(folder: Path) -> str:
    return "restante-" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
