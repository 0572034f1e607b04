"""Where the commands find broker, gateway and secret: the environment, else what `make run` wrote, else defaults."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr
from yarl import URL

from shared.cli.failures import Exit, Failure
from shared.settings import BrokerSettings, load

RUN_FILE = Path(".run/env")


def _web_address(value: SecretStr | None) -> SecretStr | None:
    try:
        url = None if value is None else URL(value.get_secret_value())
        usable = url is None or (url.scheme in {"http", "https"} and bool(url.host))
    except ValueError:
        usable = False
    if not usable:
        # The address itself stays out of the message: it may hold a password.
        raise ValueError("must be http://host:port or http://user:password@host:port (or https://)")
    return value


class CommandSettings(BrokerSettings):
    """The services' settings that the commands need too, under the same names, and two addresses."""

    gateway_url: str = "http://127.0.0.1:8000"
    gateway_path: str = "/socket.io/"
    gateway_namespace: str = "/"
    gateway_jwt_secret: SecretStr | None = None
    gateway_jwt_user_claim: str = "sub"
    gateway_jwt_audience: str | None = None
    gateway_jwt_issuer: str | None = None
    rabbitmq_management_url: Annotated[SecretStr | None, AfterValidator(_web_address)] = Field(
        None, description="default: beside the broker, port 15672, or 15671 (https) beside one with amqps"
    )

    metrics_urls: Annotated[
        str, Field(description="where the services serve /metrics, all of them; a name may stand for several")
    ] = "http://127.0.0.1:8001,http://127.0.0.1:8002"

    @property
    def metrics_addresses(self) -> list[str]:
        return [url.strip() for url in self.metrics_urls.split(",") if url.strip()]

    @property
    def virtual_host(self) -> str:
        return unquote(urlsplit(self._broker).path[1:]) or "/"

    @property
    def management_url(self) -> str:
        """With user and password in it: never show it."""
        if self.rabbitmq_management_url is not None:
            url = self.rabbitmq_management_url.get_secret_value().rstrip("/")
            if "@" in url:
                return url
            scheme, _, rest = url.partition("://")
            return f"{scheme}://{self._credentials}@{rest}"
        parts = urlsplit(self._broker)
        host = parts.hostname or "127.0.0.1"
        # Never in clear to a broker that is asked by TLS: somebody may listen on the way.
        scheme, port = ("https", 15671) if parts.scheme == "amqps" else ("http", 15672)
        return f"{scheme}://{self._credentials}@{f'[{host}]' if ':' in host else host}:{port}"

    @property
    def _broker(self) -> str:
        return self.broker_url[0].get_secret_value()

    @property
    def _credentials(self) -> str:
        parts = urlsplit(self._broker)
        name, password = (unquote(part or "guest") for part in (parts.username, parts.password))
        return f"{quote(name, safe='')}:{quote(password, safe='')}"


def settings() -> CommandSettings:
    """Ends the command with code 3 and one line for each setting that is wrong."""
    adopt(RUN_FILE)
    return load(CommandSettings)


def adopt(path: Path) -> None:
    """Takes over what the environment does not say. A secret's file in the environment says it too.

    Of the broker all or nothing: one broker's queues beside another one's consumers would make no sense.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError) as err:
        why = err.strerror if isinstance(err, OSError) else "not UTF-8"
        raise Failure(f"cannot read {path}, which `make run` wrote: {why}", Exit.SETTING) from err
    pairs = (line.strip().partition("=") for line in lines)
    told = {name: value for name, equals, value in pairs if equals and not name.startswith("#")}
    if _said("BROKER_URL") and os.environ.get("BROKER_URL") != told.get("BROKER_URL"):
        told.pop("RABBITMQ_MANAGEMENT_URL", None)
    for name, value in told.items():
        if not _said(name):
            os.environ[name] = value


def _said(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))
