"""A line of `publish --file`: what it may say, and what is said about one that says something else."""

import pytest

from shared.cli.lines import BadLine, Defaults, Outgoing, judged

HELLO = b'{"user":"alice","data":1}'


def one(line: bytes, defaults: Defaults | None = None) -> Outgoing:
    [(_, found)] = judged([line], defaults or Defaults(id="f"))
    assert isinstance(found, Outgoing), found
    return found


def test_a_line_says_all_that_a_message_has() -> None:
    line = b'{"user":"alice","data": {"a": 1.0},"id":"m1","type":"sms","ttl":1.5,"content_type":"application/x+json"}\n'

    assert one(line) == Outgoing(1, "alice", "m1", b'{"a": 1.0}', "application/x+json", "sms", 1.5)


def test_what_a_line_does_not_say_the_command_does() -> None:
    defaults = Defaults(user="bob", id="f", type="sms", ttl=60)

    assert one(b'{"data":null}', defaults) == Outgoing(1, "bob", "f-1", b"null", "application/json", "sms", 60)
    assert one(HELLO, defaults).user == "alice"


def test_text_and_bytes_are_messages_too() -> None:
    text, binary = one('{"user":"a","text":"é"}'.encode()), one(b'{"user":"a","base64":"AP8="}')

    assert (text.body, text.content_type) == ("é".encode(), "text/plain")
    assert (binary.body, binary.content_type) == (b"\x00\xff", "application/octet-stream")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{", "truncated"),
        (b"[1]", "array"),
        (b'{"data":1}', "names no user"),
        (b'{"user":"a/b","data":1}', "no user id"),
        (b'{"user":"a"}', "one of data"),
        (b'{"user":"a","data":1,"text":"1"}', "one of data"),
        (b'{"user":"a","dta":1}', "dta"),
        (b'{"user":"a","data":1,"ttl":0}', "ttl"),
        (b'{"user":"a","data":1,"ttl":1e999}', "out of range"),
        (b'{"user":"a","data":1,"id":""}', "1 to 128"),
        (b'{"user":"a","data":1,"id":"' + b"x" * 129 + b'"}', "1 to 128"),
        (b'{"user":"a","data":1,"id":"' + "é".encode() * 128 + b'"}', "at most 255 bytes"),
        (b'{"user":"a","data":1,"type":"' + b"x" * 256 + b'"}', "its type is longer"),
        (b'{"user":"a","data":1,"content_type":"' + b"x" * 256 + b'"}', "its content_type is longer"),
        (b'{"user":"a","base64":"!"}', "base64"),
        (b'{"user":"a","data":"\xff"}', ""),
    ],
)
def test_a_bad_line_is_told_from_a_good_one(line: bytes, complaint: str) -> None:
    [(number, found)] = judged([line], Defaults())

    assert number == 1
    assert isinstance(found, BadLine)
    assert complaint in str(found)


def test_an_id_that_its_line_s_number_makes_too_long_is_told() -> None:
    found = [found for _, found in judged([HELLO] * 10, Defaults(id="x" * 126))]

    assert [type(one) for one in found] == [Outgoing] * 9 + [BadLine]
    assert "1 to 128" in str(found[-1])


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    lines = [b"\xef\xbb\xbf" + HELLO + b"\r\n", b"\n", b"  \n", HELLO, b"x"]

    assert [(number, type(found)) for number, found in judged(lines, Defaults(id="f"))] == [
        (1, Outgoing),
        (4, Outgoing),
        (5, BadLine),
    ]


def test_an_id_that_comes_twice_for_one_user_is_refused_since_only_one_would_arrive() -> None:
    lines = [b'{"user":"%s","data":1,"id":"m1"}' % user for user in (b"alice", b"bob", b"alice")]

    *good, (_, found) = judged(lines, Defaults())

    assert all(isinstance(message, Outgoing) for _, message in good)
    assert str(found) == "its id is that of line 1, for the same user"
