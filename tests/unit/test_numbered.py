"""What is heard of what is said to an inbox, by whichever way it came."""

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.numbered import SPEAKERS_KNOWN, Listener
from shared.sidedoor import AT, DATA, OF


def said(name: str, body: bytes) -> DeliveredMessage:
    return message(Basic.Properties(message_id=name), body)


def piece(name: str, data: bytes, at: int, of: int) -> DeliveredMessage:
    return message(Basic.Properties(message_id=name, headers={DATA: bytearray(data), AT: at, OF: of}), b"")


def message(properties: Basic.Properties, body: bytes) -> DeliveredMessage:
    header = ContentHeader(properties=properties, body_size=len(body))
    return DeliveredMessage(Basic.Deliver("", 1), header, body, None)  # type: ignore[arg-type]  # no channel is needed


def test_each_number_is_heard_once_in_order_and_a_late_copy_not_at_all() -> None:
    listener = Listener()

    heard = [listener.heard(said(f"gateway.ab.{n}", b"%d" % n)) for n in (1, 2, 2, 4, 3, 1, 5)]

    assert heard == [b"1", b"2", None, b"4", None, None, b"5"]


def test_each_speaker_has_numbers_of_its_own() -> None:
    listener = Listener()

    assert listener.heard(said("gateway.ab.7", b"a")) == b"a"
    assert listener.heard(said("gateway.cd.1", b"c")) == b"c"


def test_who_speaks_without_numbers_is_always_heard() -> None:
    listener = Listener()

    assert [listener.heard(said(name, b"x")) for name in ("", "5f3759df", "5f3759df", "gateway.ab.", ".7")] == [
        b"x"
    ] * 5


def test_what_has_no_headers_counts_among_all_else_of_its_speaker() -> None:
    listener = Listener()

    heard = [
        listener.hear_whole(b"a", "gateway.ab.1"),
        listener.heard(said("gateway.ab.1", b"a")),
        listener.heard(piece("gateway.ab.2", b"bc", 0, 2)),
        listener.hear_whole(b"bc", "gateway.ab.2"),
        listener.hear_whole(b"d", None),
    ]

    assert heard == [b"a", None, b"bc", None, b"d"]


def test_pieces_make_a_whole_that_is_heard_once_however_often_they_are_said() -> None:
    listener = Listener()

    heard = [
        listener.heard(piece("gateway.ab.1", b"abc", 0, 7)),
        listener.heard(piece("gateway.ab.1", b"abc", 0, 7)),
        listener.heard(piece("gateway.ab.1", b"def", 3, 7)),
        listener.heard(piece("gateway.ab.1", b"g", 6, 7)),
        listener.heard(piece("gateway.ab.1", b"g", 6, 7)),
        listener.heard(said("gateway.ab.1", b"abcdefg")),
    ]

    assert heard == [None, None, None, b"abcdefg", None, None]


def test_a_whole_that_comes_among_its_pieces_counts_and_the_rest_of_them_does_not() -> None:
    listener = Listener()

    heard = [
        listener.heard(piece("gateway.ab.1", b"abc", 0, 4)),
        listener.heard(said("gateway.ab.1", b"abcd")),
        listener.heard(piece("gateway.ab.1", b"d", 3, 4)),
        listener.heard(piece("gateway.ab.2", b"ef", 0, 2)),
    ]

    assert heard == [None, b"abcd", None, b"ef"]


def test_pieces_of_what_was_never_completed_do_not_get_into_the_next() -> None:
    listener = Listener()

    listener.heard(piece("gateway.ab.1", b"abc", 0, 4))

    assert listener.heard(piece("gateway.ab.2", b"EF", 0, 4)) is None
    assert listener.heard(piece("gateway.ab.2", b"GH", 2, 4)) == b"EFGH"


def test_what_is_empty_is_heard_too() -> None:
    assert Listener().heard(piece("gateway.ab.1", b"", 0, 0)) == b""


def test_the_speakers_that_were_silent_the_longest_are_forgotten() -> None:
    listener = Listener()

    for n in range(SPEAKERS_KNOWN):
        listener.heard(said(f"gateway.{n}.1", b""))
    listener.heard(said("gateway.0.2", b""))
    listener.heard(said("gateway.new.1", b""))

    assert len(listener._speakers) == SPEAKERS_KNOWN
    assert listener.heard(said("gateway.0.2", b"")) is None
    assert listener.heard(said("gateway.1.1", b"again")) == b"again"
