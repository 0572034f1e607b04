import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from socketio import packet as reference

from gateway import packets
from gateway.answers import Confirmed, Refused, read_answer
from gateway.handshake import Handshake, read
from gateway.packets import BadPacket, RawPacket
from gateway.send import Allowance, Code, Outgoing, Rejection, judge
from gateway.tokens import Claims, Refusal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda x: st.lists(x, max_size=3),
    max_leaves=5,
)
ALICE = Claims("alice", None, frozenset({"bob"}))


@given(
    st.sampled_from([reference.CONNECT, reference.EVENT, reference.ACK]),
    st.sampled_from(["/", "/chat"]),
    st.none() | st.integers(0, 10**14),
    st.lists(JSON, min_size=1),
)
def test_packets_are_read_as_the_library_writes_them(
    kind: int, namespace: str, number: int | None, body: list[object]
) -> None:
    text = reference.Packet(kind, data=body, namespace=namespace, id=number).encode()

    packet = RawPacket(encoded_packet=text)

    assert (packet.packet_type, packet.namespace, packet.id) == (kind, namespace, number)
    assert json.loads(packet.data or "") == body


@given(st.text() | st.binary())
def test_any_frame_is_a_packet_or_a_bad_one(frame: str | bytes) -> None:
    with contextlib.suppress(BadPacket):
        packets.arguments(RawPacket(encoded_packet=frame).data)


@pytest.mark.parametrize("text", ["5", "6", "x", "4", "2" + "1" * 16 + "[]", "-1", "51-[]", "٣[]", b"2[]"])
def test_what_is_no_packet_is_bad(text: str | bytes) -> None:
    with pytest.raises(BadPacket):
        RawPacket(encoded_packet=text)


def test_packets_are_written_as_the_library_reads_them() -> None:
    event = packets.payload(b'{"id": "m1", "data": 1.0}', None)

    text = RawPacket(reference.EVENT, data=["message", event], namespace="/chat", id=7).encode()

    assert text == '2/chat,7["message",{"id": "m1", "data": 1.0}]'
    read_back = reference.Packet(encoded_packet=text)
    assert (read_back.namespace, read_back.id, read_back.data) == ("/chat", 7, ["message", {"id": "m1", "data": 1.0}])


def test_a_binary_message_has_its_body_in_place_of_data() -> None:
    event = packets.payload(b'{"id":"m1","data":null}', b"\x00\xff")

    text, attachment = RawPacket(reference.EVENT, data=["message", event], id=3).encode()
    read_back = reference.Packet(encoded_packet=text)
    read_back.add_attachment(attachment)

    assert read_back.data == ["message", {"id": "m1", "data": b"\x00\xff"}]


def ack(body: str) -> Confirmed | Refused:
    return read_answer(packets.answer(body))


def test_a_callback_confirms_with_its_value_as_it_was_written() -> None:
    assert ack("[]") == Confirmed(b"null")
    assert ack('[{"n":12345678901234567890123}]') == Confirmed(b'{"n":12345678901234567890123}')
    assert ack('["yes","ignored"]') == Confirmed(b'"yes"')


def test_a_callback_with_an_error_that_says_why_refuses() -> None:
    assert ack('[{"error":"torn"}]') == Refused("torn")
    assert ack('[{"error":""}]') == Confirmed(b'{"error":""}')
    assert ack('[{"error":1}]') == Confirmed(b'{"error":1}')
    assert len(ack(json.dumps([{"error": "x" * 5000}])).detail) == 1024


def test_a_refusal_refuses_however_much_it_says() -> None:
    assert ack(json.dumps([{"error": "x" * 20_000}])) == Refused("x" * 1024)
    assert ack(json.dumps([{"trace": ["x" * 20_000], "error": "torn"}])) == Refused("torn")
    assert ack('[{"error":"torn","n":1e999}]') == Refused("torn")
    assert ack(r'[{"error":"torn \ud83d"}]') == Refused("torn ?")


def test_a_value_that_is_too_big_confirms_without_it() -> None:
    answer = ack(json.dumps(["x" * 20_000]))

    assert isinstance(answer, Confirmed)
    assert answer.value == b"null"
    assert "20002 bytes" in answer.detail


def test_half_a_surrogate_pair_does_not_make_an_answer_worthless() -> None:
    assert ack(r'["\ud83d"]') == Confirmed(b'"?"')
    assert ack(r'["\ud83d\ude00"]') == Confirmed(rb'"\ud83d\ude00"')


@pytest.mark.parametrize("body", ["", "{}", "[", "[1 2]", "[NaN]", '["' + "\x00" + '"]', "[" * 100_000])
def test_a_callback_that_is_no_list_is_bad(body: str) -> None:
    with pytest.raises(BadPacket):
        packets.arguments(body)
    with pytest.raises(BadPacket):
        packets.answer(body)


@pytest.mark.parametrize("depth", [1_000, 1_024, 1_025, 5_000, 200_000])
def test_a_value_too_deep_confirms_without_it(depth: int) -> None:
    answer = ack(f" [{'[' * depth}{']' * depth}] ")

    assert isinstance(answer, Confirmed)
    assert bool(answer.detail) == (depth > 1_024)


def test_a_handshake_has_a_token_and_maybe_what_was_seen() -> None:
    assert read('{"token":"t"}') == Handshake("t", ())
    assert read('{"token":"t","seen":"m1"}') == Handshake("t", ("m1",))
    assert read('{"token":"t","seen":["m1","m2"],"more":1}') == Handshake("t", ("m1", "m2"))


@pytest.mark.parametrize(
    "auth",
    [
        "",
        "{}",
        "[]",
        '{"token":1}',
        '{"token":"t","seen":1}',
        '{"token":"t","seen":[1]}',
        json.dumps({"token": "t", "seen": ["m"] * 257}),
        json.dumps({"token": "t", "seen": "m" * 300}),
        "{" * 100_000,
    ],
)
def test_a_bad_handshake_is_a_bad_request(auth: str) -> None:
    refusal = read(auth)

    assert isinstance(refusal, Refusal)
    assert refusal.code == "bad_request"


def test_a_message_to_send_gets_its_senders_name_before_its_id() -> None:
    outgoing = judge(b'{"to":"bob","data":{"n":1.0},"id":"1","type":"note","ttl":1.5}', ALICE, 100)

    assert outgoing == Outgoing("alice", "bob", "alice/1", "note", b'{"n":1.0}', 1500)


def test_a_message_to_send_without_an_id_is_given_one() -> None:
    first, second = (judge(b'{"to":"bob","data":null}', ALICE, 100) for _ in range(2))

    assert isinstance(first, Outgoing)
    assert isinstance(second, Outgoing)
    assert first.id.startswith("alice/")
    assert first.id != second.id


@pytest.mark.parametrize(
    ("request_json", "code"),
    [
        ('{"to":"bob"}', Code.BAD_REQUEST),
        ('{"to":"b b","data":1}', Code.BAD_REQUEST),
        ('{"to":"bob","data":1,"id":""}', Code.BAD_REQUEST),
        ('{"to":"bob","data":1,"id":"%s"}' % ("x" * 127), Code.BAD_REQUEST),
        ('{"to":"bob","data":1,"id":"é"}', Code.BAD_REQUEST),
        ('{"to":"bob","data":1,"id":"a\\nb"}', Code.BAD_REQUEST),
        ('{"to":"bob","data":1,"type":"%s"}' % ("é" * 128), Code.BAD_REQUEST),
        ('{"to":"bob","data":1,"ttl":0}', Code.BAD_REQUEST),
        ('{"to":"bob","data":1,"ttl":true}', Code.BAD_REQUEST),
        ('{"to":"bob","data":1,"ttl":1e9}', Code.BAD_REQUEST),
        ('["bob"]', Code.BAD_REQUEST),
        ("{" * 100_000, Code.BAD_REQUEST),
        ('{"to":"carol","data":1}', Code.FORBIDDEN),
        ('{"to":"bob","data":"%s"}' % ("x" * 100), Code.TOO_LARGE),
    ],
)
def test_a_message_that_may_not_be_sent_says_why(request_json: str, code: Code) -> None:
    rejection = judge(request_json.encode(), ALICE, 100)

    assert isinstance(rejection, Rejection)
    assert rejection.answer() == {"ok": False, "error": code, "detail": rejection.detail}


def test_an_allowance_lets_twice_the_rate_through_at_once_and_then_the_rate() -> None:
    allowance = Allowance(20, now=100.0)

    at_once = sum(allowance.take(100.0) is None for _ in range(100))
    a_second_later = sum(allowance.take(101.0) is None for _ in range(100))

    assert (at_once, a_second_later) == (40, 20)
