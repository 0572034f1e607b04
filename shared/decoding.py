"""Lets pamqp read every message that a broker accepts.

The broker passes short strings on as bytes, but pamqp insists on UTF-8 and on years up to 9999, and its error
ends the connection: one message with a Latin-1 `type` or routing key, or a timestamp in microseconds, would
come back to whoever consumes its queue and end every connection again, for ever.
"""

import struct
from datetime import datetime

from pamqp import decode
from pamqp.common import FieldTable

SHORT_STRING_BYTES = 255
UNREADABLE = "unreadable"
"""The header that holds, as bytes, a header table that cannot be read."""


def read_whatever_comes() -> None:
    """Puts the decoders below in the place of pamqp's own. Idempotent; before the first connection is made."""
    decode.METHODS["shortstr"] = short_string
    decode.METHODS["timestamp"] = decode.TABLE_MAPPING[b"T"] = timestamp
    decode.METHODS["table"] = header_table


def short_string(value: bytes) -> tuple[int, str]:
    """What is not UTF-8 is read as Latin-1, and cut where it could not be sent on any more."""
    end = 1 + value[0]
    text = value[1:end]
    try:
        return end, text.decode()
    except UnicodeDecodeError:
        return end, text.decode("latin-1").encode()[:SHORT_STRING_BYTES].decode(errors="ignore")


def timestamp(value: bytes) -> tuple[int, datetime | None]:
    """A time that no calendar holds counts as none."""
    try:
        return decode.timestamp(value)
    except (ValueError, OverflowError, OSError):
        return 8, None


def header_table(value: bytes) -> tuple[int, FieldTable]:
    try:
        return decode.field_table(value)
    except (ValueError, RecursionError):
        end: int = 4 + struct.unpack_from(">I", value)[0]
        return end, {UNREADABLE: bytearray(value[4:end])}
