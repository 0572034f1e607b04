"""One connection of the Python client: what it writes."""

import json

import orjson
import pytest
from socketio import packet

from shared.client.session import Session


@pytest.mark.parametrize("text", ["д", "\u20ac", "\U0001f600", 'a"\\\n\x00'])
async def test_text_is_written_as_long_as_the_outbox_counted_it(text: str) -> None:
    session = Session("http://127.0.0.1:1", "/socket.io/", "/", lambda _said, _place: None)

    written = session._sio.packet_class(packet.EVENT, data=["send", {"data": text}]).encode()

    await session.close()
    assert len(written.encode()) == len(b'2["send",{"data":}]') + len(orjson.dumps(text))
    assert packet.Packet(encoded_packet=written).data == ["send", {"data": text}]


async def test_half_a_surrogate_pair_can_be_written() -> None:
    session = Session("http://127.0.0.1:1", "/socket.io/", "/", lambda _said, _place: None)

    written = session._sio.packet_class(packet.EVENT, data=["send", {"to": "\ud83d"}]).encode()

    await session.close()
    assert json.loads(written[1:].encode()) == ["send", {"to": "\ud83d"}]
