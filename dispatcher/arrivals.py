"""From what the broker delivered to what the core works with: properties read, body judged once."""

import secrets
from dataclasses import dataclass
from itertools import count

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from dispatcher.core.delivery import Arrival
from shared.message import Properties, judge
from shared.moved import own_message_id

FROM = "from"


@dataclass(frozen=True, slots=True)
class Original:
    """What a dead letter or a receipt needs of a message."""

    body: bytes
    properties: Basic.Properties


class Arrivals:
    """Names messages that have no id: unique over all generations, so never mistaken for another."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._prefix = secrets.token_hex(8)
        self._numbers = count(1)

    def arrival(self, tag: int, message: DeliveredMessage, now: float) -> Arrival:
        """Never raises, whatever the publisher wrote."""
        properties = message.header.properties
        content = judge(message.body, read(properties), f"{self._prefix}-{next(self._numbers)}", self._max_bytes)
        return Arrival(
            tag=tag,
            redelivered=bool(getattr(message.delivery, "redelivered", False)),
            content=content,
            wants_receipt=bool(properties.reply_to),
            original=Original(message.body, properties),
            at=now,
        )


def read(properties: Basic.Properties) -> Properties:
    """The properties that delivery looks at."""
    sender = (properties.headers or {}).get(FROM)
    sent = properties.timestamp
    return Properties(
        message_id=own_message_id(properties),
        content_type=properties.content_type or None,
        content_encoding=properties.content_encoding or None,
        type=properties.message_type or "",
        timestamp_ms=None if sent is None else int(sent.timestamp() * 1000),
        sender=sender if isinstance(sender, str) else None,
    )
