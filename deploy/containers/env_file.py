"""deploy/.env: the secrets of this installation and what was chosen for it. Only its owner can read it."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from deploy.local import ports
from deploy.rabbitmq.accounts import ACCOUNTS
from deploy.rabbitmq.definitions import definitions, password_variable, written

_HEAD = """\
# Made by `make up`, which adds what is missing and changes nothing. Docker Compose reads it, so it is also the place
# for settings of your own: GATEWAYS=4, GATEWAY_CORS_ORIGINS=https://app.example (deploy/README.md has them all).
# Whoever can read it can be anybody: keep it to yourself, and keep it, since the accounts in RabbitMQ follow it.
"""

_PORTS = {"APP_PORT": 8000, "RABBITMQ_PORT": 5672, "RABBITMQ_UI_PORT": 15672}
_CLUSTER_PORTS = {
    "RABBITMQ_2_PORT": 5673,
    "RABBITMQ_2_UI_PORT": 15673,
    "RABBITMQ_3_PORT": 5674,
    "RABBITMQ_3_UI_PORT": 15674,
}
_MONITORING_PORTS = {"GRAFANA_PORT": 3000, "PROMETHEUS_PORT": 9090}
_NODES = "RABBITMQ_NODES"
_NOT_IN_ADDRESSES = frozenset("/?#[]%,\\$")
"""What Compose or an AMQP address reads as something else than a part of a password."""


class EnvFile:
    """`values` is what the file says and, over it, what the environment says: as Compose has it."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        # Two installations may have their files in one folder, and each RabbitMQ its own passwords.
        name = "definitions.json" if self.path.name == ".env" else f"{self.path.name}.json"
        self.definitions = self.path.parent / ".rabbitmq" / name
        self.moved: list[str] = []
        self._chosen: dict[str, str] = {}

    @property
    def values(self) -> dict[str, str]:
        return {**self._written(), **{name: value for name, value in os.environ.items() if value}}

    @property
    def cluster(self) -> bool:
        """Whether this installation has three RabbitMQ nodes (compose.cluster.yaml) instead of one."""
        return {**self._chosen, **self.values}.get(_NODES) == "3"

    @property
    def monitoring(self) -> bool:
        """Whether Prometheus and Grafana run too."""
        return "monitoring" in self.values.get("COMPOSE_PROFILES", "").replace(" ", "").split(",")

    def choose_cluster(self) -> bool:
        """Before the first start only: one node's messages would not come along. Whether it could be done, or was."""
        written = self._written()
        if not any(password_variable(account.name) in written for account in ACCOUNTS):
            self._chosen = {_NODES: "3", "BROKER_QUEUE_TYPE": "quorum"}
        return self.cluster

    def complete(self) -> None:
        """Adds a fresh secret for each that is missing, and the usual port for each, or a free one if that is taken."""
        there = self._written()
        known = {**there, **os.environ}
        added = [f"{name}={value}\n" for name, value in self._chosen.items() if name not in there]
        added += [f"{name}={make()}\n" for name, make in self._wanted().items() if name not in known]
        if not added:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self.path.touch(mode=0o600)
            added = [_HEAD, *added]
        elif self.path.stat().st_uid == os.getuid():
            self.path.chmod(0o600)  # somebody may have made it for their settings, for all to read
        if (text := self.path.read_text(encoding="utf-8")) and not text.endswith("\n"):
            added = ["\n", *added]
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(added)

    @property
    def unfit(self) -> list[str]:
        """Which passwords, chosen by hand, would be others in the address of the broker (`BROKER_URL`)."""
        variables = [password_variable(account.name) for account in ACCOUNTS]
        return [name for name in variables if _NOT_IN_ADDRESSES & set(self.values.get(name, ""))]

    def write_definitions(self) -> bool:
        """What RabbitMQ loads when it starts. Whether it changed."""
        values = self.values
        passwords = {account.name: values[password_variable(account.name)] for account in ACCOUNTS}
        text = written(definitions(passwords, values.get("BROKER_QUEUE_TYPE", "classic")))
        file = self.definitions
        if file.exists() and file.read_text(encoding="utf-8") == text:
            return False
        # RabbitMQ has a uid of its own in its container and reads the file itself, which is mounted there; on this
        # machine nobody else gets as far as that, because of the folder.
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.touch(mode=0o644)
        file.write_text(text, encoding="utf-8")  # the same file, not another of its name: a container has this one
        return True

    def _written(self) -> dict[str, str]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        pairs = (line.partition("=") for line in lines if not line.startswith("#"))
        return {name.strip(): _read(value) for name, equals, value in pairs if equals}

    def _wanted(self) -> dict[str, Callable[[], str]]:
        wanted: dict[str, Callable[[], str]] = {password_variable(account.name): _secret for account in ACCOUNTS}
        if not {"GATEWAY_JWKS_URL", "GATEWAY_JWKS_FILE"} & self.values.keys():
            wanted["GATEWAY_JWT_SECRET"] = _secret
        wanted["GRAFANA_PASSWORD"] = _secret  # always: Compose reads all of its file, also what is not started
        ports_wanted = dict(_PORTS)
        if self.monitoring:
            ports_wanted |= _MONITORING_PORTS
        if self.cluster:
            wanted["RABBITMQ_ERLANG_COOKIE"] = _secret
            ports_wanted |= _CLUSTER_PORTS
        return wanted | {name: self._port(name, usual) for name, usual in ports_wanted.items()}

    def _port(self, name: str, usual: int) -> Callable[[], str]:
        def choose() -> str:
            chosen = ports.preferred(usual)
            if chosen != usual:
                self.moved.append(f"Port {usual} is taken: {name}={chosen} it is, in {self.path.name}.")
            return str(chosen)

        return choose


def _read(value: str) -> str:
    """As Compose does: quotes are not part of it, nor is a comment behind it."""
    text = value.strip()
    if text.startswith(("'", '"')) and (end := text.find(text[0], 1)) > 0:
        return text[1:end]
    return value.partition(" #")[0].strip()


def _secret() -> str:
    return secrets.token_urlsafe(32)
