"""The text of Socket.IO packets as this gateway lets python-socketio read and write them.

Reading: nothing binary, no number that is no number, and the body stays raw JSON until somebody knows what it
means. Writing: the library's own way, with orjson, which takes an event's raw JSON as it is.
"""

import json
import re
from typing import Any

import msgspec
import orjson
from socketio import packet

_PACKET = re.compile(r"([0-3])(?:(/[^,]*)(?:,|\Z))?([0-9]{0,15})((?![0-9]).*)?\Z", re.DOTALL)
_arguments = msgspec.json.Decoder(list[msgspec.Raw])


class BadPacket(ValueError):
    """No client that means well says this."""


class _Json:
    @staticmethod
    def dumps(value: object, separators: object = None) -> str:  # noqa: ARG004 -- the library hands them over
        return orjson.dumps(value).decode()


class RawPacket(packet.Packet):  # type: ignore[misc]  # it has no types
    """`data` of a packet that was read is the raw JSON text after the number, or None."""

    json = _Json

    def decode(self, encoded_packet: object) -> int:
        """Raises `BadPacket`. The body is not looked at."""
        match = _PACKET.match(encoded_packet) if isinstance(encoded_packet, str) else None
        if match is None:
            raise BadPacket("no packet")
        kind, namespace, number, body = match.groups()
        self.packet_type = int(kind)
        self.namespace = (namespace or "/").partition("?")[0]
        self.id = int(number) if number else None
        self.data = body or None
        return 0  # attachments


def arguments(body: str | None) -> list[bytes]:
    """The arguments of an event or a callback, each raw JSON. Raises `BadPacket` when the body is no JSON list."""
    try:
        return [bytes(argument) for argument in _arguments.decode(body or "")]
    except (msgspec.MsgspecError, RecursionError):
        return _mended(body or "")


def answer(body: str | None) -> list[bytes]:
    """The arguments of a callback: as `arguments`, but what is nested too deeply to be read is one argument.

    Its client would be sent the same message again and answer the same; so it counts, and what it says does not.
    """
    try:
        return arguments(body)
    except BadPacket as err:
        text = (body or "").strip()
        if isinstance(err.__cause__, RecursionError) and text.startswith("[") and text.endswith("]"):
            return [text[1:-1].encode("utf-8", "replace")]
        raise


def _mended(body: str) -> list[bytes]:
    # JavaScript writes half a surrogate pair as an escape that is no text at all. A client that was cut for it
    # would be sent the same message again, and answer the same.
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
        return [bytes(argument) for argument in _arguments.decode(text)]
    except (ValueError, RecursionError) as err:
        raise BadPacket("no list of arguments") from err


def payload(event: bytes, attachment: bytes | None) -> Any:
    """What `emit` takes: the raw JSON of an event, or, with a binary body, its object with the body as `data`."""
    if attachment is None:
        return orjson.Fragment(event)
    value = orjson.loads(event)
    value["data"] = attachment
    return value
