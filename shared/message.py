"""What a publisher's message says, judged once: an event for the client, or the reason why it can never be one.

The rules are CONTRACT.md's (Broker, message properties). A JSON body is checked here and spliced raw from
then on. `judge` never raises, whatever the bytes are.
"""

from enum import StrEnum
from functools import lru_cache

import msgspec
import orjson

MESSAGE_ID_CHARACTERS = 128


class Reason(StrEnum):
    """Why a message is in `dead-letters`."""

    BAD_BODY = "bad_body"
    BAD_USER = "bad_user"
    BAD_ID = "bad_id"
    TOO_LARGE = "too_large"
    OVER_QUOTA = "over_quota"
    QUEUE_FULL = "queue_full"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"


class DeadLetter(msgspec.Struct, frozen=True):
    """What the headers of a dead letter say beside the message itself."""

    reason: Reason
    detail: str
    attempts: int = 0


class Verdict(StrEnum):
    """The `outcome` of a receipt."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"
    REJECTED = "rejected"


class Receipt(msgspec.Struct, frozen=True):
    """What a publisher that set `reply_to` is told. `value` is the JSON that the client passed."""

    verdict: Verdict
    value: bytes = b"null"
    detail: str = ""
    attempts: int = 0


class Properties(msgspec.Struct, frozen=True):
    """The properties of a message that delivery looks at. `timestamp_ms` counts from 1970."""

    message_id: str | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    type: str = ""
    timestamp_ms: int | None = None
    sender: str | None = None


class Content(msgspec.Struct, frozen=True):
    """A message that can be delivered. `attachment` is a binary body; the event then has `"data":null`."""

    id: str
    head: bytes
    attachment: bytes | None = None

    def event(self, redelivered: bool) -> bytes:  # noqa: FBT001 -- it is the field's own value
        """The JSON object that the client gets."""
        return self.head + (b"true}" if redelivered else b"false}")


def judge(body: bytes, properties: Properties, fresh_id: str, max_bytes: int) -> Content | DeadLetter:
    """`fresh_id` names a message that has no `message_id`, for this delivery only."""
    if len(body) > max_bytes:
        return DeadLetter(Reason.TOO_LARGE, f"{len(body)} bytes where {max_bytes} are allowed")
    if properties.content_encoding:
        return DeadLetter(Reason.BAD_BODY, f"content_encoding {properties.content_encoding[:64]!r} is not supported")
    if len(_own_id(properties)) > MESSAGE_ID_CHARACTERS:
        return DeadLetter(Reason.BAD_ID, f"message_id is longer than {MESSAGE_ID_CHARACTERS} characters")
    attachment = None
    match _kind(properties.content_type):
        case "json":
            try:
                orjson.loads(body)
            except orjson.JSONDecodeError as err:
                return DeadLetter(Reason.BAD_BODY, f"body is not JSON: {err}")
            data = body
        case "text":
            try:
                data = orjson.dumps(body.decode())
            except UnicodeDecodeError as err:
                return DeadLetter(Reason.BAD_BODY, f"body is not UTF-8: {err}")
        case _:
            data, attachment = b"null", body
    message_id = properties.message_id or fresh_id
    try:
        head = b'{"id":%b,"data":%b,"type":%b,"from":%b,"timestamp":%b,"redelivered":' % (
            orjson.dumps(message_id),
            data,
            orjson.dumps(properties.type),
            orjson.dumps(properties.sender),
            orjson.dumps(properties.timestamp_ms),
        )
    except TypeError as err:  # half a surrogate pair, a timestamp beyond 64 bits
        return DeadLetter(Reason.BAD_BODY, f"a property cannot be told to a client: {err}")
    return Content(message_id, head, attachment)


def _own_id(properties: Properties) -> str:
    """The part of the id that its sender chose: the gateway puts `<sender>/` before a client's id."""
    message_id = properties.message_id or ""
    return message_id.removeprefix(f"{properties.sender}/") if properties.sender else message_id


@lru_cache(maxsize=256)  # publishers use a few; any text may be one
def _kind(content_type: str | None) -> str:
    essence = (content_type or "application/json").partition(";")[0].strip().lower()
    if essence == "application/json" or essence.endswith("+json"):
        return "json"
    return "text" if essence.startswith("text/") else "binary"
