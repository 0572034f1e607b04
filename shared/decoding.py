"""Lets pamqp read every message that a broker accepts.

The broker passes properties on as bytes, but pamqp insists on UTF-8, on years up to 9999 and on flags that mean
something, and its error ends the connection: one message with a Latin-1 `type` or routing key, a timestamp in
microseconds, or a flag that no property has, would come back to whoever consumes its queue and end every connection
again, for ever.
"""

import struct
from datetime import datetime

from pamqp import decode, header
from pamqp.commands import Basic
from pamqp.common import FieldTable

SHORT_STRING_BYTES = 255
PROPERTY_BITS = 0xFFFC
UNREADABLE = "unreadable"
"""The header that holds, as bytes, a header table that cannot be read."""


def read_whatever_comes() -> None:
    """Puts the decoders below in the place of pamqp's own. Idempotent; before the first connection is made."""
    decode.METHODS["shortstr"] = short_string
    decode.METHODS["timestamp"] = decode.TABLE_MAPPING[b"T"] = timestamp
    decode.METHODS["table"] = header_table
    header.ContentHeader._get_flags = staticmethod(flags)  # type: ignore[assignment]  # noqa: SLF001 -- no other place


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


def flags(value: bytes) -> tuple[int, int]:
    """Which properties follow. The broker ignores the two bits that stand for none; pamqp takes one for more flags."""
    return 2, decode.short_uint(value)[1] & PROPERTY_BITS


def header_table(value: bytes) -> tuple[int, FieldTable]:
    try:
        return decode.field_table(value)
    except (ValueError, RecursionError, ArithmeticError, LookupError):
        end: int = 4 + struct.unpack_from(">I", value)[0]
        return end, {UNREADABLE: bytearray(value[4:end])}


def properties_of(payload: bytes) -> Basic.Properties:
    """Those in the payload of a content header. Never raises."""
    found = header.ContentHeader()
    try:
        found.unmarshal(payload)
    except (ValueError, LookupError, struct.error):  # no broker sends that
        return Basic.Properties(headers={UNREADABLE: bytearray(payload)})
    return found.properties
