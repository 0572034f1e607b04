"""What a client gets for each content type, and the reasons why a message can never be delivered."""

import json

import pytest

from shared.message import Content, DeadLetter, Properties, Reason, judge

MAX_BYTES = 1000


def event(body: bytes, *, redelivered: bool = False, **properties: object) -> dict[str, object]:
    content = judge(body, Properties(**properties), "fresh", MAX_BYTES)  # type: ignore[arg-type]  # keywords by name
    assert isinstance(content, Content), content
    said: dict[str, object] = json.loads(content.event(redelivered))
    return said


def reason(body: bytes, **properties: object) -> Reason:
    letter = judge(body, Properties(**properties), "fresh", MAX_BYTES)  # type: ignore[arg-type]  # keywords by name
    assert isinstance(letter, DeadLetter), letter
    assert letter.detail
    return letter.reason


def test_a_client_gets_the_fields_of_the_contract() -> None:
    said = event(b'{"n":1}', message_id="m1", type="greeting", sender="bob", timestamp_ms=1700000000000)

    assert said == {
        "id": "m1",
        "data": {"n": 1},
        "type": "greeting",
        "from": "bob",
        "timestamp": 1700000000000,
        "redelivered": False,
    }


def test_what_the_publisher_left_out_has_the_defaults_of_the_contract() -> None:
    assert event(b"1") == {"id": "fresh", "data": 1, "type": "", "from": None, "timestamp": None, "redelivered": False}


def test_an_event_says_that_an_earlier_try_is_known() -> None:
    assert event(b"1", redelivered=True)["redelivered"] is True


@pytest.mark.parametrize(
    "content_type", [None, "application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json"]
)
def test_a_json_body_is_that_value(content_type: str | None) -> None:
    assert event(b' {"a": [1.50, "\xc3\xa9"]}\n', content_type=content_type)["data"] == {"a": [1.5, "é"]}


def test_a_json_body_is_passed_on_to_the_letter() -> None:
    body = b'{"n": 12345678901234567890123, "f": 1.10, "n": 2}'

    content = judge(body, Properties(), "fresh", MAX_BYTES)

    assert isinstance(content, Content)
    assert body in content.event(redelivered=False)


def test_a_text_body_is_a_string() -> None:
    assert event('say "é"\n'.encode(), content_type="text/plain; charset=utf-8")["data"] == 'say "é"\n'


@pytest.mark.parametrize("content_type", ["application/octet-stream", "image/png", "nonsense", "/"])
def test_any_other_body_is_an_attachment(content_type: str) -> None:
    content = judge(b"\x00\xff", Properties(content_type=content_type), "fresh", MAX_BYTES)

    assert isinstance(content, Content)
    assert content.attachment == b"\x00\xff"
    assert json.loads(content.event(redelivered=False))["data"] is None


def test_an_empty_binary_body_is_still_binary() -> None:
    content = judge(b"", Properties(content_type="image/png"), "fresh", MAX_BYTES)

    assert isinstance(content, Content)
    assert content.attachment == b""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"Infinity",
        b"1e999",
        b"{'a':1}",
        b"[1,]",
        b'"\xff"',
        b'"\\ud800"',
        b"\xef\xbb\xbf1",
        b'"\n"',
        b"[" * 900,
    ],
)
def test_a_body_that_is_not_json_is_a_bad_body(body: bytes) -> None:
    assert reason(body) is Reason.BAD_BODY


def test_json_deeper_than_parsers_go_is_a_bad_body() -> None:
    letter = judge(b"[" * 5000 + b"]" * 5000, Properties(), "fresh", 20000)

    assert isinstance(letter, DeadLetter)
    assert letter.reason is Reason.BAD_BODY


def test_text_that_is_not_utf8_is_a_bad_body() -> None:
    assert reason(b"caf\xe9", content_type="text/plain") is Reason.BAD_BODY


def test_an_encoded_body_is_a_bad_body() -> None:
    assert reason(b"1", content_encoding="gzip") is Reason.BAD_BODY


def test_a_property_that_json_cannot_say_is_a_bad_body() -> None:
    assert reason(b"1", type="\ud800") is Reason.BAD_BODY
    assert reason(b"1", timestamp_ms=2**64) is Reason.BAD_BODY


def test_the_size_limit_is_inclusive() -> None:
    assert event(b"1".rjust(MAX_BYTES))["data"] == 1
    assert reason(b"1".rjust(MAX_BYTES + 1)) is Reason.TOO_LARGE


def test_a_message_id_has_at_most_128_characters() -> None:
    assert event(b"1", message_id="é" * 128)["id"] == "é" * 128
    assert reason(b"1", message_id="m" * 129) is Reason.BAD_ID


def test_the_sender_that_the_gateway_puts_before_an_id_does_not_count() -> None:
    sender = "s" * 128

    assert event(b"1", message_id=f"{sender}/{'m' * 128}", sender=sender)["id"] == f"{sender}/{'m' * 128}"
    assert reason(b"1", message_id=f"{sender}/{'m' * 129}", sender=sender) is Reason.BAD_ID
