"""The bytes of a publication, packed in one go: what the library builds an object of for each frame.

The frames are those of AMQP 0-9-1, section 4.2; a test holds them to the library's.
"""

from operator import attrgetter
from struct import Struct

from pamqp.commands import Basic

_METHOD, _HEADER, _BODY, _END = 1, 2, 3, 0xCE
_BASIC, _PUBLISH = 60, 40
_SHORT_STRING_BYTES = 255
_PUBLISH_BYTES = 9  # of its payload, beside the two names
_HEADER_BYTES = 12  # of its payload, beside the properties

# Type, channel, size; class, method, reserved, length of the exchange's name.
_publish = Struct(">BHIHHHB").pack
# The bits after the routing key, end; type, channel, size; class, weight, size of the body.
_header = Struct(">BBBHIHHQ").pack
# End; type, channel, size.
_body = Struct(">BBHI").pack
_said = Struct(">HBB").pack

_MESSAGE_ID, _DELIVERY_MODE = Basic.Properties.flags["message_id"], Basic.Properties.flags["delivery_mode"]
_others = attrgetter(*(name for name in Basic.Properties.__slots__ if name not in ("message_id", "delivery_mode")))
_NO_OTHERS = _others(Basic.Properties())


def marshalled(properties: Basic.Properties) -> bytes:
    """As pamqp has it, and sooner for what the services say to each other. Raises what pamqp does."""
    message_id, mode = properties.message_id, properties.delivery_mode
    if isinstance(message_id, str) and mode in (1, 2) and _others(properties) == _NO_OTHERS:
        text = message_id.encode()
        if 0 < len(text) <= _SHORT_STRING_BYTES:
            return _said(_MESSAGE_ID | _DELIVERY_MODE, mode, len(text)) + text
    return properties.marshal()


def packed(
    channel: int, *, exchange: str, routing_key: str, mandatory: bool, properties: bytes, body: bytes, most: int
) -> bytes:
    """The frames of a publication, none with more than `most` bytes of the body. Raises ValueError."""
    to, key = exchange.encode(), routing_key.encode()
    if max(len(to), len(key)) > _SHORT_STRING_BYTES:
        raise ValueError("the name of the exchange or the routing key is too long")
    parts = [
        _publish(_METHOD, channel, _PUBLISH_BYTES + len(to) + len(key), _BASIC, _PUBLISH, 0, len(to)),
        to,
        bytes((len(key),)),
        key,
        _header(mandatory, _END, _HEADER, channel, _HEADER_BYTES + len(properties), _BASIC, 0, len(body)),
        properties,
    ]
    for at in range(0, len(body), most):
        piece = body[at : at + most]
        parts += _body(_END, _BODY, channel, len(piece)), piece
    parts.append(b"\xce")
    return b"".join(parts)
