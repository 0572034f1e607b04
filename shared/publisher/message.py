"""What an application wants sent, as the broker is to get it; or why that can never be delivered."""

import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from pamqp.commands import Basic

from shared.message import MESSAGE_ID_CHARACTERS
from shared.names import is_user_id

SHORT_BYTES = 255
"""What AMQP has for an id, a type, a routing key."""

MOST_TTL_SECONDS = 4_294_967.0
"""RabbitMQ closes the channel for a longer expiration."""

_PERSISTENT = 2


class BadMessage(ValueError):
    """It could never be delivered; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    id: str
    body: bytes
    properties: Basic.Properties


def outgoing(
    user: str, data: object, *, message_id: str | None, kind: str, ttl_seconds: float | None, max_bytes: int
) -> Outgoing:
    """Bytes go as they are, everything else as JSON. Raises `BadMessage`."""
    if not is_user_id(user):
        raise BadMessage(f"{user!r} is no user id: 1 to 128 of A-Z a-z 0-9 . _ : @ + | = ~ -")
    own_id = secrets.token_hex(16) if message_id is None else message_id
    if not 0 < len(own_id) <= MESSAGE_ID_CHARACTERS or len(own_id.encode(errors="replace")) > SHORT_BYTES:
        raise BadMessage(
            f"message_id must have 1 to {MESSAGE_ID_CHARACTERS} characters and at most {SHORT_BYTES} bytes"
        )
    if len(kind.encode(errors="replace")) > SHORT_BYTES:
        raise BadMessage(f"type is longer than {SHORT_BYTES} bytes")
    if ttl_seconds is not None and not (math.isfinite(ttl_seconds) and 0 < ttl_seconds <= MOST_TTL_SECONDS):
        raise BadMessage(f"ttl must be more than 0 and at most {MOST_TTL_SECONDS:.0f} seconds")
    binary = isinstance(data, bytes | bytearray | memoryview)
    try:
        body = bytes(data) if isinstance(data, bytes | bytearray | memoryview) else orjson.dumps(data)
    except TypeError as err:
        raise BadMessage(f"data is no JSON: {err}") from err
    if len(body) > max_bytes:
        raise BadMessage(f"{len(body)} bytes where {max_bytes} are allowed")
    properties = Basic.Properties(
        content_type="application/octet-stream" if binary else "application/json",
        delivery_mode=_PERSISTENT,
        message_id=own_id,
        message_type=kind,
        timestamp=datetime.now(UTC),
        expiration=None if ttl_seconds is None else str(max(1, round(ttl_seconds * 1000))),
    )
    return Outgoing(own_id, body, properties)
