"""Messages that clients send: what is asked for, whether it is allowed, and that the broker holds it.

A message's id is `<sender>/<id>`, so nobody can use up another's ids.
"""

import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec
import orjson

from gateway.tokens import Claims
from shared.names import is_user_id

ID_CHARACTERS = 126
"""`<sender>/<id>` then fits the 255 bytes that AMQP has for a message id."""

TYPE_BYTES = 255
MOST_TTL_SECONDS = 4_294_967.0
"""RabbitMQ closes the channel for a longer expiration."""

MOST_UNANSWERED = 64


class Code(StrEnum):
    """The `error` of an answer."""

    BAD_REQUEST = "bad_request"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Rejection:
    code: Code
    detail: str

    def answer(self) -> dict[str, object]:
        return {"ok": False, "error": self.code, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way to a user's queue. `data` is raw JSON, `ttl_ms` None: it does not expire."""

    sender: str
    to: str
    id: str
    type: str
    data: bytes
    ttl_ms: int | None


Publish = Callable[[Outgoing], Awaitable[None]]
"""Returns once the broker has confirmed that it holds the message; raises `NotHeld`, `TooMuch`."""


class NotHeld(Exception):
    """The broker did not confirm; it may hold the message all the same."""


class TooMuch(Exception):
    """The broker takes no message that is so large, whatever our own limit says."""


class _Request(msgspec.Struct):
    to: str
    data: msgspec.Raw
    id: str | None = None
    type: str | None = None
    ttl: float | None = None


_requests = msgspec.json.Decoder(_Request)


def judge(argument: bytes, claims: Claims, max_bytes: int) -> Outgoing | Rejection:
    """What a client asks to have sent. Never raises."""
    try:
        request = _requests.decode(argument)
        data = bytes(request.data)
        orjson.loads(data)  # the dispatcher reads it with this, and would put it to the dead letters
    except (msgspec.MsgspecError, RecursionError, UnicodeError, orjson.JSONDecodeError) as err:
        return Rejection(Code.BAD_REQUEST, f"not {{ to, data, id?, type?, ttl? }}: {err}")
    kind = request.type or ""
    own_id = secrets.token_hex(16) if request.id is None else request.id
    if not is_user_id(request.to):
        return Rejection(Code.BAD_REQUEST, "to is no user id")
    if not (0 < len(own_id) <= ID_CHARACTERS and own_id.isascii() and own_id.isprintable()):
        return Rejection(Code.BAD_REQUEST, f"id must be 1 to {ID_CHARACTERS} printable ASCII characters")
    if len(kind.encode()) > TYPE_BYTES:
        return Rejection(Code.BAD_REQUEST, f"type is longer than {TYPE_BYTES} bytes")
    ttl = request.ttl
    if ttl is not None and not (math.isfinite(ttl) and 0 < ttl <= MOST_TTL_SECONDS):
        return Rejection(Code.BAD_REQUEST, f"ttl must be more than 0 and at most {MOST_TTL_SECONDS:.0f} seconds")
    if not claims.may_send_to(request.to):
        return Rejection(Code.FORBIDDEN, "the token does not allow sending to this user")
    if len(data) > max_bytes:
        return Rejection(Code.TOO_LARGE, f"{len(data)} bytes where {max_bytes} are allowed")
    ttl_ms = None if ttl is None else max(1, round(ttl * 1000))
    return Outgoing(claims.user, request.to, f"{claims.user}/{own_id}", kind, data, ttl_ms)


class Allowance:
    """A token bucket: so many a second, twice that at once. And how many are unanswered."""

    __slots__ = ("_at", "_burst", "_left", "_rate", "unanswered")

    def __init__(self, per_second: float, now: float) -> None:
        self._rate = per_second
        self._burst = max(1.0, 2 * per_second)
        self._left = self._burst
        self._at = now
        self.unanswered = 0

    def take(self, now: float) -> Rejection | None:
        """One more, unless that is too many. `now` is monotonic seconds."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1 or self.unanswered >= MOST_UNANSWERED:
            return Rejection(Code.RATE_LIMITED, f"at most {self._rate:g} a second")
        self._left -= 1
        return None


async def send(outgoing: Outgoing, publish: Publish) -> dict[str, object]:
    """The answer for the client: `ok` only after the broker's confirm."""
    try:
        await publish(outgoing)
    except NotHeld as err:
        return Rejection(Code.UNAVAILABLE, str(err)).answer()
    except TooMuch as err:
        return Rejection(Code.TOO_LARGE, str(err)).answer()
    return {"ok": True, "id": outgoing.id}
