"""A file of messages, one JSON object on each line: what a line may say, and what is wrong with one that says else.

Every line is judged before the first message is sent, so that a typing error in the last one sends nothing at all.
"""

import binascii
import shutil
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
import orjson

from shared.message import MESSAGE_ID_CHARACTERS
from shared.names import is_user_id

STDIN = "-"
SHORT_BYTES = 255
"""What AMQP has for an id and a type."""
BOM = b"\xef\xbb\xbf"


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    user: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    text: str | None = None
    base64: str | None = None
    id: str | None = None
    type: str | None = None
    ttl: float | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for a line that does not say it. `id` gets the line's number behind it."""

    user: str | None = None
    id: str = ""
    type: str = ""
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One line's message. `ttl` in seconds."""

    line: int
    user: str
    id: str
    body: bytes
    content_type: str
    type: str
    ttl: float | None


class BadLine(ValueError):
    """Says what is wrong with a line, without its number."""


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """For reading more than once, stdin (`-`) too."""
    if str(path) != STDIN:
        with path.open("rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.seek(0)
        yield copy


def judged(file: Iterable[bytes], defaults: Defaults) -> Iterator[tuple[int, Outgoing | BadLine]]:
    """Each line with its number, counted from 1. Empty ones are passed over."""
    first_with: dict[tuple[str, str], int] = {}
    for number, raw in enumerate(file, start=1):
        text = (raw.removeprefix(BOM) if number == 1 else raw).strip()
        if not text:
            continue
        try:
            found = _judge(number, text, defaults)
            # Who has confirmed an id is not sent it again, so the second of two would vanish.
            other = first_with.setdefault((found.user, found.id), number)
            if other != number:
                raise BadLine(f"its id is that of line {other}, for the same user")
        except BadLine as err:
            yield number, err
        else:
            yield number, found


def _judge(number: int, text: bytes, defaults: Defaults) -> Outgoing:
    try:
        line = msgspec.json.decode(text, type=_Line)
        orjson.loads(text)  # as strict as delivery is
    except (msgspec.MsgspecError, orjson.JSONDecodeError, UnicodeDecodeError, RecursionError) as err:
        raise BadLine(str(err)) from err
    user = line.user if line.user is not None else defaults.user
    if user is None:
        raise BadLine("it names no user, and neither does the command")
    if not is_user_id(user):
        raise BadLine(f"{user!r} is no user id")
    own_id = line.id if line.id is not None else f"{defaults.id}-{number}"
    ttl = line.ttl if line.ttl is not None else defaults.ttl
    if ttl is not None and not 0 < ttl < 2**32 / 1000:
        raise BadLine("its ttl must be a number of seconds above 0 that RabbitMQ can count")
    body, content_type = _body(line)
    kind, content_type = line.type if line.type is not None else defaults.type, line.content_type or content_type
    check(own_id, kind, content_type)
    return Outgoing(number, user, own_id, body, content_type, kind, ttl)


def check(message_id: str, kind: str, content_type: str = "") -> None:
    """Raises `BadLine` for what AMQP cannot carry, or would never be delivered."""
    if not 0 < len(message_id) <= MESSAGE_ID_CHARACTERS or _bytes(message_id) > SHORT_BYTES:
        raise BadLine(f"its id must have 1 to {MESSAGE_ID_CHARACTERS} characters and at most {SHORT_BYTES} bytes")
    for name, value in (("type", kind), ("content_type", content_type)):
        if _bytes(value) > SHORT_BYTES:
            raise BadLine(f"its {name} is longer than {SHORT_BYTES} bytes")


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))


def _body(line: _Line) -> tuple[bytes, str]:
    data = bytes(line.data)
    if (bool(data), line.text is not None, line.base64 is not None).count(True) != 1:
        raise BadLine("it must have one of data (JSON), text and base64")
    if line.text is not None:
        return line.text.encode(), "text/plain"
    if line.base64 is not None:
        try:
            return b64decode(line.base64, validate=True), "application/octet-stream"
        except (binascii.Error, ValueError) as err:
            raise BadLine(f"its base64: {err}") from err
    return data, "application/json"
