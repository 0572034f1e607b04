"""Settings from the environment: their types, their help, and one clear line for each that is wrong.

A field's name is the variable's name in lower case. A secret is never shown, neither in an error nor in a
repr, and may come from the file that `<NAME>_FILE` names.
"""

import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    FilePath,
    GetCoreSchemaHandler,
    PositiveInt,
    SecretStr,
    TypeAdapter,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema
from pydantic_settings import BaseSettings, SettingsConfigDict

EXIT_BAD_SETTING = 3


class QueueType(StrEnum):
    CLASSIC = "classic"
    QUORUM = "quorum"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a server listens, written `host:port` or `[ipv6]:port`. Port 0: any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `ValueError` saying what is wrong."""
        host, colon, port = text.rpartition(":")
        if not colon or not host or (":" in host and not (host.startswith("[") and host.endswith("]"))):
            raise ValueError(f"must be host:port (0.0.0.0:8000, [::]:8000, 127.0.0.1:8000), not {text!r}")
        if not (port.isascii() and port.isdigit() and int(port) <= 65535):
            raise ValueError(f"port must be a number up to 65535, not {port!r}")
        return cls(host.strip("[]"), int(port))

    @property
    def is_loopback(self) -> bool:
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda v: v if isinstance(v, cls) else cls.parse(str(v)))


def split_list(value: object) -> object:
    """`a, b` as a tuple; anything but text is left alone."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _broker_urls(value: object) -> object:
    urls = split_list(value)
    if not urls or not isinstance(urls, tuple):
        raise ValueError("must name at least one broker")
    for url in urls:
        try:
            parts = urlsplit(url.get_secret_value() if isinstance(url, SecretStr) else url)
            usable = parts.scheme in ("amqp", "amqps") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable:
            # The address itself stays out of the message: it holds a password.
            raise ValueError("must be amqp://user:password@host:port/vhost (or amqps://), several with commas")
    return urls


TextList = Annotated[tuple[str, ...], BeforeValidator(split_list)]
BrokerUrls = Annotated[tuple[SecretStr, ...], BeforeValidator(_broker_urls)]


class BrokerSettings(BaseSettings):
    """What both services are told. Each adds its own on top."""

    # Without enable_decoding=False the text of a list would be taken for JSON. A time without end cannot be told to
    # the other service: JSON has no number for it.
    model_config = SettingsConfigDict(
        env_ignore_empty=True,
        enable_decoding=False,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    broker_url: BrokerUrls = Field(
        default=(SecretStr("amqp://guest:guest@127.0.0.1:5672/"),),
        description="addresses of the RabbitMQ nodes, with commas between; tried in turn",
    )
    broker_ca_file: FilePath | None = Field(
        default=None, description="CA certificates for amqps (default: the system's)"
    )
    broker_queue_type: QueueType = Field(
        default=QueueType.CLASSIC, description="classic for one node, quorum for a cluster"
    )
    max_message_bytes: PositiveInt = Field(
        default=262144, le=16 * 1024 * 1024, description="largest body that is delivered"
    )
    log_level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error")
    log_format: LogFormat = Field(default=LogFormat.TEXT, description="text or json, one line for each event")


def broker_urls_now(settings: BrokerSettings) -> tuple[SecretStr, ...]:
    """As in the settings, or as `BROKER_URL_FILE` says by now: whoever rotates a password need not restart anything.

    Raises `BadSecretFile`.
    """
    if not os.environ.get("BROKER_URL_FILE"):
        return settings.broker_url
    try:
        return _urls.validate_python(_from_files(BrokerSettings)["broker_url"])
    except ValidationError as err:
        raise BadSecretFile(
            f"BROKER_URL_FILE: {_line(BrokerSettings, ('broker_url',), err.errors()[0]['msg'])}"
        ) from None


_urls = TypeAdapter[tuple[SecretStr, ...]](BrokerUrls)
_S = TypeVar("_S", bound=BaseSettings)


def load(cls: type[_S]) -> _S:
    """The settings of this process. Ends it with code 3 and a line on stderr for each setting that is wrong."""
    try:
        return cls(**_from_files(cls))
    except ValidationError as err:
        lines = [_line(cls, error["loc"], error["msg"]) for error in err.errors(include_input=False, include_url=False)]
    except BadSecretFile as err:
        lines = [str(err)]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    raise SystemExit(EXIT_BAD_SETTING)


class BadSecretFile(ValueError):
    """A `<NAME>_FILE` that cannot be used; says which and why."""


def _from_files(cls: type[BaseSettings]) -> dict[str, Any]:
    secrets: dict[str, Any] = {}
    for name, field in cls.model_fields.items():
        variable = name.upper()
        path = os.environ.get(f"{variable}_FILE")
        if not path or not _is_secret(field):
            continue
        if os.environ.get(variable):
            raise BadSecretFile(f"{variable}: set it or {variable}_FILE, not both")
        try:
            secrets[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as err:
            why = err.strerror if isinstance(err, OSError) else "not UTF-8"
            raise BadSecretFile(f"{variable}_FILE: cannot read {path}: {why}") from err
        if not secrets[name]:
            raise BadSecretFile(f"{variable}_FILE: {path} is empty")
    return secrets


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def _line(cls: type[BaseSettings], location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ").replace("Input should", "should")
    if not location or location[0] not in cls.model_fields:
        return message  # a rule about several settings names them itself
    name = str(location[0])
    if _is_secret(cls.model_fields[name]) or "not '" in message:
        return f"{name.upper()}: {message}"
    return f"{name.upper()}: {message}, not {os.environ.get(name.upper(), os.environ.get(name, ''))!r}"


def help_text(cls: type[BaseSettings], intro: str) -> str:
    """Every setting with its default and meaning, for `--help`."""
    lines = [intro, "", "Settings (environment variables):"]
    for name, field in cls.model_fields.items():
        variable = name.upper()
        lines.append(f"  {variable}  [{_shown_default(field)}]")
        lines.append(f"      {field.description or ''}")
        if _is_secret(field):
            lines.append(f"      or the file that {variable}_FILE names")
    lines += ["", f"A wrong setting ends the process with code {EXIT_BAD_SETTING}. SIGTERM drains and exits 0."]
    return "\n".join(lines)


def _shown_default(field: FieldInfo) -> str:
    def shown(value: Any) -> str:
        match value:
            case None | ():
                return "none"
            case tuple():
                return ",".join(shown(part) for part in value)
            case SecretStr():
                return value.get_secret_value()  # a default is no secret
            case _:
                return str(value)

    return shown(field.default)
