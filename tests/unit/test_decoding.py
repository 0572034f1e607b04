"""Properties that pamqp alone would not read."""

import struct
from datetime import UTC, datetime

import pytest
from pamqp import commands, encode, header

from shared import decoding


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def test_a_short_string_is_utf8() -> None:
    assert decoding.short_string(short("café".encode()) + b"rest") == (6, "café")


def test_a_short_string_that_is_not_utf8_is_latin1() -> None:
    assert decoding.short_string(short(b"caf\xe9") + b"rest") == (5, "café")


def test_a_short_string_can_always_be_sent_on() -> None:
    consumed, text = decoding.short_string(short(b"\xe9" * 255))

    assert consumed == 256
    assert len(encode.short_string(text)) <= 256


@pytest.mark.parametrize("seconds", [2**63, 2**64 - 1, 300_000_000_000_000])
def test_a_time_that_no_calendar_holds_counts_as_none(seconds: int) -> None:
    assert decoding.timestamp(struct.pack(">Q", seconds) + b"rest") == (8, None)


def test_a_time_is_a_time() -> None:
    assert decoding.timestamp(struct.pack(">Q", 1_700_000_000)) == (8, datetime.fromtimestamp(1_700_000_000, UTC))


@pytest.mark.parametrize(
    "content",
    [
        short(b"\xe9") + b"t\x01",
        short(b"a") + b"?",
        b"".join(b"\x00F" + struct.pack(">I", 6 * n) for n in range(20_000, 0, -1)),
    ],
)
def test_headers_that_cannot_be_read_are_kept_as_bytes(content: bytes) -> None:
    table = struct.pack(">I", len(content)) + content

    consumed, headers = decoding.header_table(table + b"rest")

    assert (consumed, headers) == (len(table), {decoding.UNREADABLE: bytearray(content)})


def test_headers_are_read_as_ever() -> None:
    table = encode.field_table({"from": "bob", "n": 1})

    assert decoding.header_table(table + b"rest") == (len(table), {"from": "bob", "n": 1})


@pytest.mark.parametrize("odd", [1, 2, 3])
def test_flags_that_no_property_has_are_ignored(odd: int) -> None:
    decoding.read_whatever_comes()
    written = header.ContentHeader(0, 7, commands.Basic.Properties(content_type="text/plain", app_id="shop")).marshal()
    flags = struct.unpack_from(">H", written, 12)[0]

    read = header.ContentHeader()
    read.unmarshal(written[:12] + struct.pack(">H", flags | odd) + written[14:])

    assert (read.body_size, read.properties.content_type, read.properties.app_id) == (7, "text/plain", "shop")
