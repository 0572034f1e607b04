"""Where the commands find broker, gateway and secret: the environment, else what `make run` wrote, else defaults."""

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, SecretStr

from shared.settings import BrokerSettings, load

RUN_FILE = Path(".run/env")


class CommandSettings(BrokerSettings):
    """The services' settings that the commands need too, under the same names, and two addresses."""

    gateway_url: str = "http://127.0.0.1:8000"
    gateway_path: str = "/socket.io/"
    gateway_namespace: str = "/"
    gateway_jwt_secret: SecretStr | None = None
    gateway_jwt_user_claim: str = "sub"
    gateway_jwt_audience: str | None = None
    gateway_jwt_issuer: str | None = None
    rabbitmq_management_url: SecretStr | None = Field(None, description="default: port 15672 beside the broker")

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
        host = urlsplit(self._broker).hostname or "127.0.0.1"
        return f"http://{self._credentials}@{f'[{host}]' if ':' in host else host}:15672"

    @property
    def _broker(self) -> str:
        return self.broker_url[0].get_secret_value()

    @property
    def _credentials(self) -> str:
        parts = urlsplit(self._broker)
        return f"{quote(unquote(parts.username or 'guest'))}:{quote(unquote(parts.password or 'guest'))}"


def settings() -> CommandSettings:
    """Ends the command with code 3 and one line for each setting that is wrong."""
    adopt(RUN_FILE)
    return load(CommandSettings)


def adopt(path: Path) -> None:
    """Takes over what the environment does not say. A secret's file in the environment says it too."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return
    for line in lines:
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#") and not (os.environ.get(name) or os.environ.get(f"{name}_FILE")):
            os.environ[name] = value
