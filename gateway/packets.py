"""The text of Socket.IO packets (protocol v5), without binary ones from clients: bytes in, a packet or None out.

JSON stays raw in both directions, so a body is neither parsed twice nor changed on its way.
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import orjson


class Kind(StrEnum):
    CONNECT = "0"
    DISCONNECT = "1"
    EVENT = "2"
    ACK = "3"
    CONNECT_ERROR = "4"


@dataclass(frozen=True, slots=True)
class Packet:
    """`body` is the raw JSON after the id, empty if there is none; `id` asks for, or is, a callback."""

    kind: Kind
    namespace: str
    id: int | None
    body: str


_PACKET = re.compile(r"([0-4])(?:(/[^,]*)(?:,|\Z))?([0-9]{0,15})((?![0-9]).*)?\Z", re.DOTALL)
_arguments = msgspec.json.Decoder(list[msgspec.Raw])


def parse(text: str) -> Packet | None:
    """None: this is no packet. The body is not looked at."""
    match = _PACKET.match(text)
    if match is None:
        return None
    kind, namespace, number, body = match.groups()
    return Packet(Kind(kind), (namespace or "/").partition("?")[0], int(number) if number else None, body or "")


def arguments(packet: Packet) -> list[bytes] | None:
    """The arguments of an event or a callback, each raw JSON. None: the body is no JSON list."""
    try:
        return [bytes(argument) for argument in _arguments.decode(packet.body)]
    except (msgspec.MsgspecError, RecursionError):
        return _mended(packet.body)


def _mended(body: str) -> list[bytes] | None:
    # JavaScript writes half a surrogate pair as an escape that is no text at all. A client that was cut for it
    # would be sent the same message again, and answer the same.
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
        return [bytes(argument) for argument in _arguments.decode(text)]
    except (ValueError, RecursionError):
        return None


def connected(namespace: str, session: str) -> str:
    return f'0{_prefix(namespace)}{{"sid":"{session}"}}'


def refused(namespace: str, code: str, detail: str) -> str:
    """`connect_error`: the stock client gives up for good."""
    body = {"message": code, "data": {"code": code, "detail": detail}}
    return f"4{_prefix(namespace)}{orjson.dumps(body).decode()}"


def disconnected(namespace: str) -> str:
    """The stock client stays away."""
    return f"1{_prefix(namespace)}"


def event(namespace: str, number: int | None, name: str, argument: bytes = b"") -> str:
    """`argument` is raw JSON, `number` asks the client for its callback."""
    rest = f",{argument.decode()}" if argument else ""
    return f'2{_prefix(namespace)}{"" if number is None else number}["{name}"{rest}]'


def binary_event(namespace: str, number: int, name: str, argument: bytes) -> str:
    """The event whose `data` is the binary frame that is sent next."""
    value = orjson.loads(argument)
    value["data"] = {"_placeholder": True, "num": 0}
    return f'51-{_prefix(namespace)}{number}["{name}",{orjson.dumps(value).decode()}]'


def answer(namespace: str, number: int, value: object) -> str:
    """The callback of an event that the client sent."""
    return f"3{_prefix(namespace)}{number}[{orjson.dumps(value).decode()}]"


def _prefix(namespace: str) -> str:
    return "" if namespace == "/" else f"{namespace},"
