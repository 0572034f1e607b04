"""All of restante in containers, as `make up` starts it, for tests: a project, ports and secrets of its own."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from deploy.containers.engine import Compose, NoEngine
from deploy.containers.env_file import EnvFile
from deploy.containers.up import up
from deploy.local.rabbitmq import Management
from shared.names import MESSAGES, user_queue
from tests.support.services import ROOT, SECRET, free_port
from tests.support.until import TooLate

IMAGE = "restante:tests"
PROJECT = "restante-tests"
NODES = ("rabbitmq", "rabbitmq-2", "rabbitmq-3")
"""Of a cluster."""

READY_SECONDS = 60.0
STEP_SECONDS = 0.2
_PORTS = (
    "APP_PORT",
    *(f"RABBITMQ_{node}{kind}PORT" for node in ("", "2_", "3_") for kind in ("", "UI_")),
)
_READY = ("python", "-I", "-S", "/app/healthcheck.py", "/readyz")


def docker(*arguments: str) -> str:
    """What it prints. Raises `AssertionError` with its complaint."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


@dataclass(slots=True)
class Installation:
    """What `make up` has started. Docker's commands take a while: whoever waits for clients too calls in a thread."""

    compose: Compose
    env_file: EnvFile
    project: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.env_file.values['APP_PORT']}"

    @property
    def publisher_url(self) -> str:
        values = self.env_file.values
        ports = ("RABBITMQ_PORT", "RABBITMQ_2_PORT", "RABBITMQ_3_PORT")[: 3 if self.env_file.cluster else 1]
        account = f"amqp://publisher:{values['PUBLISHER_PASSWORD']}"
        return ",".join(f"{account}@127.0.0.1:{values[port]}/restante" for port in ports)

    @property
    def ui_url(self) -> str:
        return f"http://127.0.0.1:{self.env_file.values['RABBITMQ_UI_PORT']}/"

    @property
    def operator_password(self) -> str:
        return self.env_file.values["OPERATOR_PASSWORD"]

    def names(self, service: str) -> list[str]:
        """The containers of a service, oldest first."""
        found = docker(
            "ps", "--all", "--filter", f"label=com.docker.compose.project={self.project}",
            "--filter", f"label=com.docker.compose.service={service}", "--format", "{{.Names}}",
        )  # fmt: skip
        return sorted(found.split(), key=lambda name: int(name.rpartition("-")[2]))

    def network(self, name: str) -> str:
        return f"{self.project}_{name}"

    async def ready(self) -> None:
        """Wait until every gateway and every dispatcher can serve."""
        names = [name for service in ("gateway", "dispatcher") for name in self.names(service)]
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while lacking := [name for name in names if not await asyncio.to_thread(_ready, name)]:
            if asyncio.get_running_loop().time() > deadline:
                raise TooLate(f"not ready: {lacking}\n{self.logs(lacking)}")
            await asyncio.sleep(STEP_SECONDS)

    async def bound(self, user: str) -> None:
        """Wait until a user's queue takes messages without a detour."""
        password = quote(self.operator_password, safe="")
        management = Management(self.ui_url.replace("//", f"//operator:{password}@"))
        path = f"/api/bindings/restante/e/{MESSAGES}/q/{user_queue(user)}"
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while not await asyncio.to_thread(management.request, "GET", path):
            assert asyncio.get_running_loop().time() < deadline, f"the queue of {user} is not bound"
            await asyncio.sleep(STEP_SECONDS)

    async def empty(self, users: list[str], *, node: str = "rabbitmq") -> None:
        """Wait until nothing is in the queues of these users, neither ready nor unacknowledged."""
        queues = {user_queue(user) for user in users}
        deadline = asyncio.get_running_loop().time() + READY_SECONDS
        while held := {q: n for q, n in (await asyncio.to_thread(self.queues, node)).items() if n and q in queues}:
            assert asyncio.get_running_loop().time() < deadline, f"still in the broker: {held}"
            await asyncio.sleep(STEP_SECONDS)

    def queues(self, node: str = "rabbitmq") -> dict[str, int]:
        """How many messages are in each queue."""
        (name,) = self.names(node)
        columns = ("--vhost", "restante", "--formatter", "json", "name", "messages")
        listed = json.loads(docker("exec", name, "rabbitmqctl", "--quiet", "list_queues", *columns))
        return {queue["name"]: int(queue["messages"] or 0) for queue in listed}

    def copies(self, node: str) -> dict[str, int]:
        """How many nodes have each quorum queue, as `node` sees it."""
        (name,) = self.names(node)
        columns = ("--vhost", "restante", "--formatter", "json", "name", "type", "online")
        listed = json.loads(docker("exec", name, "rabbitmqctl", "--quiet", "list_queues", *columns))
        return {queue["name"]: len(queue["online"]) for queue in listed if queue["type"] == "quorum"}

    def is_split(self, node: str) -> bool:
        """Whether this node knows of one that it has been cut from and did not come together with again."""
        (name,) = self.names(node)
        found = json.loads(docker("exec", name, "rabbitmqctl", "--quiet", "cluster_status", "--formatter", "json"))
        return bool(found["partitions"])

    async def whole(self, node: str, *, seconds: float = READY_SECONDS) -> None:
        """Wait until every queue is on all three nodes."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not (found := await asyncio.to_thread(self._copies_now, node)) or set(found.values()) != {len(NODES)}:
            assert asyncio.get_running_loop().time() < deadline, f"not on three nodes: {found}"
            await asyncio.sleep(STEP_SECONDS)

    def _copies_now(self, node: str) -> dict[str, int]:
        """None while the node cannot say."""
        try:
            return self.copies(node)
        except AssertionError:
            return {}

    def logs(self, names: list[str]) -> str:
        return "\n".join(f"-- {name}\n{self.compose.last_lines(name)}" for name in names)


@contextmanager
def installed(folder: Path, *, cluster: bool = False, **chosen: str) -> Iterator[Installation]:
    """From nothing to healthy and back to nothing, volumes included, whatever happens in between."""
    _sweep()
    project = f"{PROJECT}-{os.getpid()}-{free_port()}"
    env_file = _env_file(folder, cluster=cluster, **chosen)
    compose = Compose(ROOT / "deploy" / "compose.yaml", env_file, project)
    try:
        compose.check()
    except NoEngine as err:
        pytest.skip(str(err))
    try:
        up(compose, env_file, scale=[])
        yield Installation(compose, env_file, project)
    finally:
        _thaw(project)
        compose.down(volumes=True)


def _env_file(folder: Path, *, cluster: bool, **chosen: str) -> EnvFile:
    nodes = {"RABBITMQ_NODES": "3", "BROKER_QUEUE_TYPE": "quorum"} if cluster else {}
    settings = {
        "RESTANTE_IMAGE": IMAGE,
        "GATEWAY_JWT_SECRET": SECRET,
        "GATEWAY_DRAIN_SECONDS": "4",
        **{port: str(free_port()) for port in _PORTS},
        **nodes,
        **chosen,
    }
    path = folder / ".env"
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return EnvFile(path)


def _thaw(project: str) -> None:
    """Docker would wait for ever for the end of a container that is paused."""
    paused = docker(
        "ps", "--quiet", "--filter", f"label=com.docker.compose.project={project}", "--filter", "status=paused"
    )
    for container in paused.split():
        docker("unpause", container)


def _ready(name: str) -> bool:
    return subprocess.run(["docker", "exec", name, *_READY], capture_output=True, check=False).returncode == 0


def _sweep() -> None:
    """Removes what earlier runs left behind that were killed; nothing of a run that lives."""
    for kind in ("container", "network", "volume"):
        label = "com.docker.compose.project"
        shown = f'{{{{.{"Name" if kind == "volume" else "ID"}}}}} {{{{.Label "{label}"}}}}'
        also = ["--all"] if kind == "container" else []
        listed = docker(kind, "ls", *also, "--filter", f"label={label}", "--format", shown)
        for line in listed.splitlines():
            name, project = line.split()
            pid = re.match(rf"{PROJECT}-(\d+)-", project)
            if pid and not Path(f"/proc/{pid[1]}").exists():
                with suppress(AssertionError):  # another run may have been faster
                    docker(kind, "rm", "--force", name)
