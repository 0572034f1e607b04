"""What a message keeps when we put it into another queue: everything but what the broker would refuse or misread.

Those stay readable as headers `x-original-...`. A message without a `message_id` is given one on its way, as the
library that publishes it insists; the header `x-given-message-id` says so, and whoever reads such a message must
take it for one without.
"""

from typing import Any

from pamqp import encode
from pamqp.commands import Basic
from pamqp.common import FieldTable

PERSISTENT = 2
GIVEN_ID = "x-given-message-id"
PART, PARTS = "x-part", "x-parts"
"""Of a dead letter that the broker takes only in several: which one it is, from 1, and of how many."""

_original_encoder = encode.encode_table_value


def send_whatever_came() -> None:
    """Lets pamqp write every header that it can read. Idempotent.

    By itself it narrows a double to a float, or fails to, and refuses the bytes that it reads for a string.
    """
    encode.encode_table_value = _encode


def _encode(value: Any) -> bytes:
    if isinstance(value, float):
        return b"d" + encode.double(value)
    if isinstance(value, bytes):
        return b"S" + len(value).to_bytes(4, "big") + value
    return _original_encoder(value)


def moved(properties: Basic.Properties, *, keep_expiration: bool) -> Basic.Properties:
    """A copy that may be published by us, persistent. `keep_expiration`: it must go on ageing where it is put."""
    copy = _copied(properties)
    headers: FieldTable = dict(properties.headers or {})
    if properties.user_id:  # refused unless it is our own name
        headers["x-original-user-id"] = properties.user_id
        copy.user_id = None
    for name in ("CC", "BCC"):  # the broker would send to them once more
        if name in headers:
            headers[f"x-original-{name.lower()}"] = headers.pop(name)
    if properties.expiration and not keep_expiration:
        headers["x-original-expiration"] = properties.expiration
        copy.expiration = None
    if not properties.message_id:
        headers[GIVEN_ID] = True
    copy.cluster_id = ""
    copy.headers = headers
    copy.delivery_mode = PERSISTENT
    return copy


def own_message_id(properties: Basic.Properties) -> str | None:
    """The id that the publisher gave the message, not one that it was given when it was moved."""
    if GIVEN_ID in (properties.headers or {}):
        return None
    return properties.message_id or None


def restored(properties: Basic.Properties) -> Basic.Properties:
    """A copy to publish a dead letter anew: without what its death added, and without a given id."""
    copy = _copied(properties)
    added = ("reason", "detail", "user", "attempts", GIVEN_ID)
    copy.message_id = own_message_id(properties)
    copy.headers = {name: value for name, value in (properties.headers or {}).items() if name not in added}
    return copy


def _copied(properties: Basic.Properties) -> Basic.Properties:
    copy = Basic.Properties()
    for name in Basic.Properties.__slots__:
        setattr(copy, name, getattr(properties, name))
    return copy
