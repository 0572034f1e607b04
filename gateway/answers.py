"""What a client's callback means: it confirms, with a value for the receipt, or it refuses, with a reason."""

from dataclasses import dataclass

import msgspec
import orjson

from gateway.attachments import PLACEHOLDER
from shared.wire import NULL

VALUE_BYTES = 16_384
DETAIL_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Confirmed:
    """`value` is JSON; when it could not be kept it is null and `detail` says why."""

    value: bytes = NULL
    detail: str = ""


NO_VALUE = Confirmed()


@dataclass(frozen=True, slots=True)
class Refused:
    detail: str


class _Refusal(msgspec.Struct):
    error: str


_refusals = msgspec.json.Decoder(_Refusal)


def read_answer(arguments: list[bytes]) -> Confirmed | Refused:
    """`arguments` are those of the callback, each raw JSON; all but the first are ignored."""
    if not arguments:
        return NO_VALUE
    value = arguments[0]
    # Before anything is left out: what was refused must not be lost because it was refused at length.
    if reason := _reason(value):
        return Refused(reason[:DETAIL_CHARACTERS])
    if len(value) > VALUE_BYTES:
        return Confirmed(detail=f"value of {len(value)} bytes left out: more than {VALUE_BYTES}")
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return Confirmed(detail="value left out: not valid JSON, or nested too deeply")
    if PLACEHOLDER in value:
        return Confirmed(detail="value left out: it has binary parts")
    return Confirmed(value)


def _reason(value: bytes) -> str:
    """Why it refuses; empty if it does not."""
    try:
        return _refusals.decode(value).error
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return ""
