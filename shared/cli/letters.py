"""A dead letter: what its headers say, and the message as its publisher sent it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from shared.cli.printing import Json, body_json
from shared.moved import GIVEN_ID, PART, PARTS, own_message_id, restored

ORIGINAL_EXPIRATION = "x-original-expiration"
ADDED = ("reason", "detail", "user", "attempts", PART, PARTS, GIVEN_ID)
"""By its death; its other headers are its publisher's, or tell its history."""

_HISTORY = {
    "x-original-user-id": "was published by the broker's user {}",
    "x-original-cc": "was also sent to {} (CC)",
    "x-original-bcc": "was also sent to {} (BCC)",
    ORIGINAL_EXPIRATION: "was to expire after {} ms; requeued, it has so long again",
}


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

    @property
    def part(self) -> str:
        """Which part of a message that the broker would not have taken in one piece again; empty: it is whole."""
        headers = self.properties.headers or {}
        return f"{_said(headers[PART])} of {_said(headers[PARTS])}" if {PART, PARTS} <= headers.keys() else ""

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

    def own_headers(self) -> Json:
        """What its publisher, or the gateway, wrote into its headers."""
        told = {"x-death", *ADDED, *_HISTORY}
        return {name: plain(value) for name, value in (self.properties.headers or {}).items() if name not in told}

    def history(self) -> list[str]:
        """What happened on its way, in a line each, as far as it was written down."""
        headers = self.properties.headers or {}
        said = [sentence.format(_said(headers[name])) for name, sentence in _HISTORY.items() if name in headers]
        if GIVEN_ID in headers:
            said.append("had no message id: it was given one when it was moved")
        if self.part:
            said.append(f"part {self.part}: joined in this order they are the message, which the broker takes no more")
        deaths = headers.get("x-death")
        for death in deaths if isinstance(deaths, list) else []:
            if isinstance(death, dict):
                queue, reason = _text(death.get("queue")), _text(death.get("reason"))
                said.append(
                    f"left {queue} by RabbitMQ's own dead-lettering: {reason}, {_said(death.get('count'))} times"
                )
        return said

    def whole(self) -> Json:
        """`as_json`, and all headers as they are in the broker."""
        return {**self.as_json(), "headers": plain(self.properties.headers or {}), "bytes": len(self.body)}


def plain(value: object) -> Any:
    """A header's value as JSON can say it: bytes that are no text in base64, a time as text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): plain(part) for key, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
        case bytes() | bytearray():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return base64.b64encode(value).decode()
        case datetime():
            return value.isoformat()
        case _:
            return str(value)


def _said(value: object) -> str:
    return ", ".join(_text(part) for part in value) if isinstance(value, list | tuple) else _text(value)


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return value.decode(errors="backslashreplace")
    return "" if value is None else str(value)
