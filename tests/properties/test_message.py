"""`judge` on any body and any properties: an event that says what was meant, or a dead letter; never an exception."""

import json

from hypothesis import given
from hypothesis import strategies as st

from shared.message import Content, DeadLetter, Properties, Reason, judge

any_text = st.text(st.characters(codec=None), max_size=140)  # with lone surrogates
optional_text = st.none() | any_text
content_types = (
    st.sampled_from([None, "application/json", "application/x+JSON; v=1", "text/plain", "image/png", ""]) | any_text
)
any_properties = st.builds(
    Properties,
    message_id=optional_text,
    content_type=content_types,
    content_encoding=st.just("") | optional_text,
    type=any_text,
    timestamp_ms=st.none() | st.integers(),
    sender=optional_text,
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
json_like = st.text('{}[]",:0123456789.eE+-\\utrfalsn NaIiy\n\x00', max_size=60).map(str.encode)
bodies = st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()) | json_like


def strict(text: bytes) -> dict[str, object]:
    """Parsed as a browser does, which knows no NaN."""

    def refuse(word: str) -> None:
        raise AssertionError(word)

    parsed: dict[str, object] = json.loads(text.decode(), parse_constant=refuse)
    return parsed


@given(bodies, any_properties, st.integers(0, 250), st.booleans())
def test_any_message_is_an_event_or_a_dead_letter(
    body: bytes, properties: Properties, limit: int, redelivered: bool
) -> None:
    verdict = judge(body, properties, "fresh", limit)

    if isinstance(verdict, DeadLetter):
        assert verdict.reason in Reason
        assert verdict.detail.encode()  # it becomes a header, which is UTF-8
        return
    event = strict(verdict.event(redelivered))
    assert list(event) == ["id", "data", "type", "from", "timestamp", "redelivered"]
    assert event["id"] == verdict.id == (properties.message_id or "fresh")
    assert event["type"] == properties.type
    assert event["from"] == properties.sender
    assert event["timestamp"] == properties.timestamp_ms
    assert event["redelivered"] is redelivered
    assert len(body) <= limit


@given(json_values)
def test_every_json_value_of_a_publisher_arrives(value: object) -> None:
    body = json.dumps(value, ensure_ascii=False).encode()

    verdict = judge(body, Properties(), "fresh", len(body))

    assert isinstance(verdict, Content)
    assert strict(verdict.event(redelivered=False))["data"] == value


@given(st.text())
def test_every_text_of_a_publisher_arrives(text: str) -> None:
    verdict = judge(text.encode(), Properties(content_type="text/plain"), "fresh", 10**6)

    assert isinstance(verdict, Content)
    assert strict(verdict.event(redelivered=False))["data"] == text


@given(st.binary())
def test_every_binary_body_arrives(body: bytes) -> None:
    verdict = judge(body, Properties(content_type="application/octet-stream"), "fresh", 10**6)

    assert isinstance(verdict, Content)
    assert verdict.attachment == body


@given(st.binary(max_size=60) | json_like)
def test_json_is_judged_as_strictly_as_a_browser_does(body: bytes) -> None:
    """What `judge` lets through must parse on its own: a body such as `1,"x":2` must not smuggle fields in."""
    verdict = judge(body, Properties(), "fresh", 10**6)

    if isinstance(verdict, Content):
        assert strict(b'{"data":' + body + b"}") == {"data": json.loads(body)}
