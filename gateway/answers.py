"""What a client's callback means: it confirms, with a value for the receipt, or it refuses, with a reason."""

from dataclasses import dataclass

import orjson

from shared.wire import NULL

VALUE_BYTES = 16_384
DETAIL_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class Confirmed:
    """`value` is JSON; when it could not be kept it is null and `detail` says why."""

    value: bytes = NULL
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    detail: str


def read_answer(arguments: list[bytes]) -> Confirmed | Refused:
    """`arguments` are those of the callback, each raw JSON; all but the first are ignored."""
    if not arguments:
        return Confirmed()
    value = arguments[0]
    if len(value) > VALUE_BYTES:
        return Confirmed(detail=f"value of {len(value)} bytes left out: more than {VALUE_BYTES}")
    try:
        parsed = orjson.loads(value)
    except orjson.JSONDecodeError:
        return Confirmed(detail="value left out: not valid JSON, or nested too deeply")
    match parsed:
        case {"error": str(reason)} if reason:
            return Refused(reason[:DETAIL_CHARACTERS])
    return Confirmed(value)
