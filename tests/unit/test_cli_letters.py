"""Dead letters as they are shown and as they are sent again; and that nothing shown can reach a terminal's controls."""

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.cli.letter_reading import Choice
from shared.cli.letter_show import HEX_BYTES, MOST_CHARACTERS, body_lines
from shared.cli.letters import Letter
from shared.cli.printing import body_json, body_text, visible

DEATH = {"reason": "refused", "detail": "no room", "user": "alice", "attempts": 2}


def letter(headers: object = DEATH, body: bytes = b"1", **properties: object) -> Letter:
    content = ContentHeader(properties=Basic.Properties(headers=headers, **properties))  # type: ignore[arg-type]  # odd ones too
    delivery = Basic.Deliver(consumer_tag="c", delivery_tag=7, exchange="", routing_key="")
    return Letter.of(DeliveredMessage(delivery, content, body, None))  # type: ignore[arg-type]  # nobody acks it


def test_a_letter_says_why_it_died() -> None:
    found = letter(message_id="m1")

    assert (found.tag, found.user, found.reason, found.detail, found.attempts, found.id) == (
        7,
        "alice",
        "refused",
        "no room",
        2,
        "m1",
    )


def test_headers_that_somebody_else_wrote_are_shown_as_they_are() -> None:
    found = letter({"reason": b"\xff", "user": 5, "attempts": "many", "detail": None})

    assert (found.reason, found.user, found.attempts, found.detail) == ("\\xff", "5", 0, "")
    assert letter(None).user == ""


def test_a_letter_is_sent_again_as_its_publisher_sent_it() -> None:
    found = letter({**DEATH, "from": "bob", "x-original-expiration": "60000"}, message_id="m1", reply_to="me")

    revived = found.revived()

    assert revived.headers == {"from": "bob"}
    assert (revived.expiration, revived.message_id, revived.reply_to) == ("60000", "m1", "me")


def test_an_id_that_the_message_was_given_on_its_way_is_not_its_own() -> None:
    assert letter({**DEATH, "x-given-message-id": True}, message_id="given").id == ""


def test_a_choice_takes_only_letters_that_fit_all_of_it() -> None:
    found = letter(message_id="m1")

    assert found in Choice()
    assert found in Choice(user="alice", reason="refused", ids=frozenset({"m1", "m2"}))
    assert found not in Choice(user="alice", reason="bad_body")
    assert found not in Choice(ids=frozenset({"m2"}))


def test_nothing_shown_controls_the_terminal() -> None:
    assert visible("a\x1b[31m\nb\x9b\u202e") == "a\\x1b[31m\\nb\\x9b\\u202e"
    assert visible("x" * 1000) == "x" * 299 + "…"
    assert visible("\ud800é") == "\\ud800é"


def test_a_body_is_shown_as_what_it_is() -> None:
    assert body_json(b'{"a":1}') == {"data": {"a": 1}}
    assert body_json(b"123456789012345678901234567890") == {"data": 123456789012345678901234567890}
    assert body_json(b"NaN") == {"text": "NaN"}
    assert body_json(b"[" * 1010 + b"]" * 1010) == {"text": "[" * 1010 + "]" * 1010}
    assert body_json(b"hello") == {"text": "hello"}
    assert body_json(b"\xff") == {"base64": "/w=="}
    assert (body_text(b"hello"), body_text(b"\xff\xfe")) == ("hello", "<2 bytes>")


def test_a_body_is_shown_as_json_as_text_or_in_hexadecimal() -> None:
    assert body_lines(b'{"a":[1]}').plain == '{\n  "a": [\n    1\n  ]\n}'
    assert body_lines("two\nlines \x1b[31mé".encode()).plain == "two\nlines \\x1b[31mé"
    assert body_lines(b"\xffA\x00").plain == f"0000  {'ff 41 00':<48} .A."


def test_a_body_that_is_too_long_for_a_screen_says_how_much_is_left() -> None:
    assert body_lines(b"x" * (MOST_CHARACTERS + 5)).plain.endswith("… 5 more characters: --json shows all")
    assert "… 7 more bytes" in body_lines(b"\xff" * (HEX_BYTES + 7)).plain


def test_a_letter_s_history_and_its_publisher_s_headers_are_told_apart() -> None:
    death = [{"queue": "orders", "reason": "expired", "count": 3}]
    found = letter({**DEATH, "x-original-cc": ["bob", "carol"], "x-death": death, "from": "dave", "trace": b"\xff"})

    assert found.own_headers() == {"from": "dave", "trace": "/w=="}
    assert found.history() == [
        "was also sent to bob, carol (CC)",
        "left orders by RabbitMQ's own dead-lettering: expired, 3 times",
    ]
    assert found.whole()["headers"] == {**DEATH, "x-original-cc": ["bob", "carol"], "x-death": death} | {
        "from": "dave",
        "trace": "/w==",
    }
