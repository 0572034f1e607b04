"""A message as the broker delivered it. Its properties are read in full only when a dead letter or a receipt asks.

Their form is that of AMQP 0-9-1, section 4.2.6.1; what pamqp 4.0 makes of it, with `shared/decoding.py`, is what comes
out here too.
"""

import struct
from functools import cache
from struct import Struct

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from shared.decoding import properties_of
from shared.message import Properties
from shared.moved import own_message_id

FROM = "from"

_FLAGS_AT = 12  # in the payload of a content header, after class, weight and body size
_MORE_FLAGS = 1
_MILLISECONDS_FROM = 0xFFFFFFFF  # beyond it pamqp takes a timestamp for milliseconds

_short = Struct(">H").unpack_from
_table_size = Struct(">I").unpack_from
_time = Struct(">Q").unpack_from


class Original:
    """`header` is the payload of its content header, unless the properties are known already."""

    __slots__ = ("_header", "_properties", "body", "redelivered")

    def __init__(
        self, body: bytes, *, redelivered: bool = False, header: bytes = b"", properties: Basic.Properties | None = None
    ) -> None:
        self.body = body
        self.redelivered = redelivered
        self._header = header
        self._properties = properties

    @classmethod
    def of(cls, message: DeliveredMessage) -> "Original":
        redelivered = bool(getattr(message.delivery, "redelivered", False))
        return cls(message.body, redelivered=redelivered, properties=message.header.properties)

    @property
    def properties(self) -> Basic.Properties:
        """All that the publisher set."""
        if self._properties is None:
            self._properties = properties_of(self._header)
        return self._properties

    def read(self) -> tuple[Properties, bool]:
        """The properties that delivery looks at, and whether a receipt is asked for. Never raises."""
        plain = self.read_plain()
        if plain is not None:
            return plain
        properties = self.properties
        return read(properties), bool(properties.reply_to)

    def read_plain(self) -> tuple[Properties, bool] | None:
        """The same, if that is to be had without the library: there are no headers, for one. Never raises."""
        if self._properties is not None:
            return None
        try:
            return _read_header(self._header)
        except (_Unusual, LookupError, struct.error):
            return None


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


class _Unusual(Exception):
    """Better left to the library."""


@cache  # there are 2^14 sets of properties at most
def _present(flags: int) -> tuple[str, ...]:
    names = Basic.Properties.__slots__
    return tuple(name for name in names if flags & Basic.Properties.flags[name])


def _read_header(header: bytes) -> tuple[Properties, bool]:
    """As `read`, at a tenth of the cost. Raises `_Unusual`: headers, no UTF-8, a time that is none."""
    flags = _short(header, _FLAGS_AT)[0]
    if flags & _MORE_FLAGS:
        raise _Unusual
    at = _FLAGS_AT + 2
    found: dict[str, str] = {}
    timestamp_ms = None
    for name in _present(flags):
        match name:
            case "delivery_mode" | "priority":
                at += 1
            case "timestamp":
                seconds = _time(header, at)[0]
                if seconds > _MILLISECONDS_FROM:
                    raise _Unusual
                timestamp_ms = seconds * 1000
                at += 8
            case "headers":
                if _table_size(header, at)[0]:
                    raise _Unusual
                at += 4
            case _:
                end = at + 1 + header[at]
                try:
                    found[name] = header[at + 1 : end].decode()
                except UnicodeDecodeError as err:
                    raise _Unusual from err
                at = end
    value = found.get
    properties = Properties(
        message_id=value("message_id") or None,
        content_type=value("content_type") or None,
        content_encoding=value("content_encoding") or None,
        type=value("message_type") or "",
        timestamp_ms=timestamp_ms,
    )
    return properties, bool(value("reply_to"))
