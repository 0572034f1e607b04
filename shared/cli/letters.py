"""A dead letter: what its headers say, and the message as its publisher sent it."""

from dataclasses import dataclass
from typing import Self

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from shared.cli.printing import Json, body_json
from shared.moved import own_message_id, restored

ORIGINAL_EXPIRATION = "x-original-expiration"


@dataclass(frozen=True, slots=True)
class Letter:
    """`tag` is the one of the channel that holds it."""

    tag: int
    user: str
    reason: str
    detail: str
    attempts: int
    body: bytes
    properties: Basic.Properties

    @classmethod
    def of(cls, message: DeliveredMessage) -> Self:
        """Headers may hold anything: what is missing or odd is shown as it is, as text."""
        properties = message.header.properties
        headers = properties.headers or {}
        attempts = headers.get("attempts")
        user, reason, detail = (_text(headers.get(name)) for name in ("user", "reason", "detail"))
        number = attempts if isinstance(attempts, int) else 0
        return cls(message.delivery_tag or 0, user, reason, detail, number, message.body, properties)

    @property
    def id(self) -> str:
        return own_message_id(self.properties) or ""

    def revived(self) -> Basic.Properties:
        """The properties as the publisher set them. Its time to live starts anew."""
        copy = restored(self.properties)
        expiration = (copy.headers or {}).pop(ORIGINAL_EXPIRATION, None)
        copy.expiration = expiration if isinstance(expiration, str) else None
        return copy

    def as_json(self) -> Json:
        sent = self.properties.timestamp
        return {
            "user": self.user,
            "reason": self.reason,
            "detail": self.detail,
            "attempts": self.attempts,
            "id": self.id or None,
            "type": self.properties.message_type or "",
            "content_type": self.properties.content_type,
            "timestamp": sent.isoformat() if sent else None,
            **body_json(self.body),
        }


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return value.decode(errors="backslashreplace")
    return "" if value is None else str(value)
