"""What an operator can tell the gateway. CONTRACT.md has the names; a rule about two settings names both."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    FilePath,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)

from shared.http import FRAME_BYTES
from shared.settings import BrokerSettings, ListenAddress, TextList

SECRET_BYTES = 32
"""A shorter HS256 secret can be guessed from one token (RFC 7518, 3.2)."""

TRANSPORTS = ("websocket", "polling")


class Demo(StrEnum):
    """Whether the demo page is served, which lets anyone be anyone. `public`: beyond this machine too."""

    OFF = "off"
    LOCAL = "true"
    PUBLIC = "public"


def _demo(value: object) -> object:
    match str(value).lower():
        case "off" | "false" | "no" | "0":
            return Demo.OFF
        case "true" | "on" | "yes" | "1":
            return Demo.LOCAL
        case "public":
            return Demo.PUBLIC
    raise ValueError("should be false, true or public")


class GatewaySettings(BrokerSettings):
    """The gateway's settings. Times are seconds."""

    gateway_listen: ListenAddress = Field(
        default=ListenAddress("127.0.0.1", 8000), description="Socket.IO and the demo page"
    )
    gateway_admin_listen: ListenAddress = Field(
        default=ListenAddress("127.0.0.1", 8002), description="/metrics, /healthz and /readyz"
    )
    gateway_path: str = Field(default="/socket.io/", description="path of Socket.IO")
    gateway_namespace: str = Field(default="/", description="Socket.IO namespace")
    gateway_jwt_secret: SecretStr | None = Field(
        default=None, description=f"secret of HS256 tokens, at least {SECRET_BYTES} bytes; or one of the next two"
    )
    gateway_jwks_file: FilePath | None = Field(
        default=None, description="public keys (JWKS) of RS256, ES256 or EdDSA tokens"
    )
    gateway_jwks_url: str | None = Field(
        default=None, description="the same, fetched; again when a token names an unknown key"
    )
    gateway_jwt_audience: str | None = Field(default=None, description="required `aud` of tokens")
    gateway_jwt_issuer: str | None = Field(default=None, description="required `iss` of tokens")
    gateway_jwt_user_claim: str = Field(default="sub", description="the claim that is the user id")
    gateway_cors_origins: TextList = Field(
        default=(),
        description="origins of web pages that may connect, with commas between, or * (none: the same origin)",
    )
    gateway_transports: TextList = Field(
        default=("websocket",),
        description="websocket, or websocket,polling (polling needs sticky sessions at the balancer)",
    )
    gateway_ping_interval_seconds: PositiveInt = Field(
        default=10, description="how often a client is pinged, in seconds"
    )
    gateway_ping_timeout_seconds: PositiveInt = Field(
        default=8, description="how long a client may take to answer, in seconds"
    )
    gateway_confirm_timeout_seconds: PositiveFloat = Field(
        default=30, description="how long a client may take to confirm, in seconds; more than both pings together"
    )
    gateway_max_sessions_per_user: NonNegativeInt = Field(
        default=10, description="beyond it the oldest session is disconnected (0: no limit)"
    )
    gateway_send_per_second: PositiveFloat = Field(
        default=20, description="messages a session may send; twice that at once"
    )
    gateway_drain_seconds: PositiveFloat = Field(
        default=20, description="over how many seconds a shutdown closes the connections"
    )
    gateway_demo: Annotated[Demo, BeforeValidator(_demo)] = Field(
        default=Demo.OFF, description="true: a demo page where anyone is anyone; public: even beyond this machine"
    )
    gateway_socket_io_client_file: Path | None = Field(
        default=None,
        description="socket.io-client's socket.io.esm.min.js, served as /socket.io-client.js (none: not served, and "
        "the demo page takes a public CDN's)",
    )

    @property
    def frame_bytes(self) -> int:
        """What a client may send at once: enough to be told that its message is too large."""
        return max(FRAME_BYTES, 2 * self.max_message_bytes + 65_536)

    @field_validator("gateway_path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        if not value.startswith("/") or len(value) < 2:
            raise ValueError("must start with / and name a folder")
        return value.rstrip("/") + "/"

    @field_validator("gateway_namespace")
    @classmethod
    def _is_namespace(cls, value: str) -> str:
        if not value.startswith("/") or set(value) & set(",?"):
            raise ValueError("must start with / and have no comma")
        return value

    @field_validator("gateway_transports")
    @classmethod
    def _are_transports(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - set(TRANSPORTS):
            raise ValueError("must be websocket, polling or both")
        return value

    @field_validator("gateway_jwks_url")
    @classmethod
    def _is_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("https://", "http://")):
            raise ValueError("must start with https:// or http://")
        if value is not None and not urlsplit(value).hostname:  # which raises ValueError for half an IPv6 address
            raise ValueError("must name a host")
        if value is not None and "@" in value.split("/")[2]:
            raise ValueError("must name the host alone, not 'user:password@host': this setting is not kept secret")
        return value

    @field_validator("gateway_jwt_secret")
    @classmethod
    def _is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < SECRET_BYTES:
            raise ValueError(f"must have at least {SECRET_BYTES} bytes")
        return value

    @model_validator(mode="after")
    def _agree(self) -> Self:
        keys = (self.gateway_jwt_secret, self.gateway_jwks_file, self.gateway_jwks_url)
        if sum(key is not None for key in keys) != 1:
            raise ValueError("set exactly one of GATEWAY_JWT_SECRET, GATEWAY_JWKS_FILE and GATEWAY_JWKS_URL")
        pings = self.gateway_ping_interval_seconds + self.gateway_ping_timeout_seconds
        if self.gateway_confirm_timeout_seconds <= pings:
            raise ValueError(
                "GATEWAY_CONFIRM_TIMEOUT_SECONDS must be more than GATEWAY_PING_INTERVAL_SECONDS and "
                f"GATEWAY_PING_TIMEOUT_SECONDS together ({pings})"
            )
        if self.gateway_demo is not Demo.OFF and self.gateway_jwt_secret is None:
            raise ValueError("GATEWAY_DEMO gives tokens out, so it needs GATEWAY_JWT_SECRET")
        if self.gateway_demo is Demo.LOCAL and not self.gateway_listen.is_loopback:
            raise ValueError(
                f"GATEWAY_DEMO lets anyone be anyone, so GATEWAY_LISTEN={self.gateway_listen} needs GATEWAY_DEMO=public"
            )
        return self
