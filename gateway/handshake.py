"""What a client hands over when it logs in: `{ token, seen }`, judged before anything else looks at it."""

from dataclasses import dataclass

import msgspec

from gateway.tokens import Code, Refusal
from shared.message import MESSAGE_ID_CHARACTERS

SEEN_IDS = 256
SEEN_ID_CHARACTERS = 128 + 1 + MESSAGE_ID_CHARACTERS
"""`<sender>/<id>` is the longest id there is."""


class _Auth(msgspec.Struct):
    token: str
    seen: str | list[str] | None = None


@dataclass(frozen=True, slots=True)
class Handshake:
    token: str
    seen: tuple[str, ...]


_decoder = msgspec.json.Decoder(_Auth)


def read(auth_json: bytes | str, what: str = "auth") -> Handshake | Refusal:
    """The raw JSON of `auth`, empty if there is none. `what` a refusal calls it. Never raises."""
    try:
        auth = _decoder.decode(auth_json or "{}")
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return Refusal(Code.BAD_REQUEST, f"{what} must be {{ token: string, seen?: string or list of strings }}")
    seen = (auth.seen,) if isinstance(auth.seen, str) else tuple(auth.seen or ())
    if len(seen) > SEEN_IDS:
        return Refusal(Code.BAD_REQUEST, f"seen has more than {SEEN_IDS} ids")
    if any(len(message) > SEEN_ID_CHARACTERS for message in seen):
        return Refusal(Code.BAD_REQUEST, f"seen has an id longer than {SEEN_ID_CHARACTERS} characters")
    return Handshake(auth.token, seen)
