"""From what the broker delivered to what the core works with: properties read, body judged once."""

import secrets
from itertools import count

from dispatcher.core.delivery import Arrival
from dispatcher.original import Original
from shared.message import judge


class Arrivals:
    """Names messages that have no id: unique over all generations, so never mistaken for another."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._prefix = secrets.token_hex(8)
        self._numbers = count(1)

    def arrival(self, tag: int, original: Original) -> Arrival:
        """Never raises, whatever the publisher wrote."""
        properties, wants_receipt = original.read()
        fresh_id = "" if properties.message_id else f"{self._prefix}-{next(self._numbers)}"
        content = judge(original.body, properties, fresh_id, self._max_bytes)
        return Arrival(
            tag=tag,
            redelivered=original.redelivered,
            content=content,
            wants_receipt=wants_receipt,
            original=original,
            sent_at=None if properties.timestamp_ms is None else properties.timestamp_ms / 1000,
        )
