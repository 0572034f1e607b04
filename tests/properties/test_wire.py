"""The wire form: what goes in comes out, and any other bytes are `Unreadable`, never another error."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared import wire
from shared.wire import Unreadable

ids = st.text(max_size=20)
users = st.from_regex(r"[A-Za-z0-9._:@+|=~-]{1,128}", fullmatch=True)
sessions = st.lists(ids, max_size=3).map(tuple)
seconds = st.floats(min_value=0.001, allow_nan=False, allow_infinity=False)
json_bytes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value, ensure_ascii=False).encode())

leases = st.builds(
    wire.Lease,
    kind=st.sampled_from(wire.LeaseKind),
    session=ids,
    user=users,
    inbox=ids,
    rev=st.integers(0, 2**63),
    opened_at=seconds,
    limit=st.integers(0, 1000),
    confirm_timeout=seconds,
)
outcomes = st.builds(
    wire.Outcome,
    user=users,
    message=ids,
    session=ids,
    kind=st.sampled_from(wire.OutcomeKind),
    value=json_bytes,
    detail=ids,
)
entries = st.one_of(
    st.builds(wire.Forward, users, ids, sessions, st.binary(max_size=50), st.none() | st.binary(max_size=50)),
    st.builds(wire.Settled, users, ids, sessions),
    st.builds(wire.Dropped, sessions),
    st.builds(wire.Replaced, sessions),
    st.builds(wire.Evicted, sessions),
    st.builds(wire.Present, users, sessions, ids, st.integers(0, 99), st.integers(0, 99), seconds),
)
batches = st.builds(wire.Batch, ids, st.integers(1, 10**6), st.lists(entries, max_size=5).map(tuple))
bodies = st.one_of(
    leases.map(wire.encode_lease),
    st.lists(outcomes, max_size=4).map(wire.encode_outcomes),
    batches.map(wire.encode_batch),
)
decoders = st.sampled_from([wire.decode_lease, wire.decode_outcomes, wire.decode_batch])


EXAMPLES: list[tuple[Callable[[bytes], object], bytes]] = [
    (wire.decode_lease, wire.encode_lease(wire.Lease(kind=wire.LeaseKind.OPEN, session="s1", user="alice", inbox="g"))),
    (wire.decode_outcomes, wire.encode_outcomes([wire.Outcome("alice", "m1", "s1", wire.OutcomeKind.CONFIRMED)])),
    (wire.decode_batch, wire.encode_batch(wire.Batch("d", 8, (wire.Forward("alice", "m1", ("s1",), b"{}"),)))),
]


def decodes_or_is_unreadable(decode: Callable[[bytes], object], body: bytes) -> None:
    with suppress(Unreadable):
        decode(body)


@given(leases)
def test_a_lease_comes_out_as_it_went_in(lease: wire.Lease) -> None:
    assert wire.decode_lease(wire.encode_lease(lease)) == lease


def test_a_hello_needs_no_user() -> None:
    hello = wire.Lease(kind=wire.LeaseKind.HELLO)

    assert wire.decode_lease(wire.encode_lease(hello)) == hello


@given(st.lists(outcomes, max_size=6))
def test_outcomes_come_out_as_they_went_in(sent: list[wire.Outcome]) -> None:
    assert wire.decode_outcomes(wire.encode_outcomes(sent)) == sent


@given(batches)
def test_a_batch_comes_out_as_it_went_in(batch: wire.Batch) -> None:
    assert wire.decode_batch(wire.encode_batch(batch)) == batch


@given(st.text(st.characters(codec=None)))
def test_any_reason_of_a_client_can_be_reported(detail: str) -> None:
    refused = wire.Outcome("alice", "m1", "s1", wire.OutcomeKind.REFUSED, detail=detail)

    [decoded] = wire.decode_outcomes(wire.encode_outcomes([refused]))

    assert decoded.detail == "".join("?" if "\ud800" <= character <= "\udfff" else character for character in detail)


@given(decoders, st.binary(max_size=300))
def test_any_bytes_decode_or_are_unreadable(decode: Callable[[bytes], object], noise: bytes) -> None:
    decodes_or_is_unreadable(decode, noise)
    decodes_or_is_unreadable(decode, b"1\n" + noise)


@given(decoders, bodies, st.data())
def test_a_damaged_body_decodes_or_is_unreadable(
    decode: Callable[[bytes], object], body: bytes, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, min(len(body), start + 8)))

    decodes_or_is_unreadable(decode, body[:start] + data.draw(st.binary(max_size=8)) + body[end:])


@given(bodies, bodies, decoders)
def test_a_body_of_another_kind_decodes_or_is_unreadable(
    one: bytes, other: bytes, decode: Callable[[bytes], object]
) -> None:
    decodes_or_is_unreadable(decode, one)
    decodes_or_is_unreadable(decode, one + other)


@given(batches.filter(lambda batch: any(isinstance(entry, wire.Forward) for entry in batch.entries)), st.data())
def test_a_batch_cut_short_is_unreadable(batch: wire.Batch, data: st.DataObject) -> None:
    body = wire.encode_batch(batch)
    head_end = body.index(b"\n", 2) + 1

    with pytest.raises(Unreadable):
        wire.decode_batch(body[: data.draw(st.integers(0, head_end - 2))])
    with pytest.raises(Unreadable):
        wire.decode_batch(body + b"x")


@pytest.mark.parametrize("version", [b"", b"0\n", b"2\n", b"11\n", b"1", b"1 \n", b"01\n", b"-1\n"])
@pytest.mark.parametrize(("decode", "body"), EXAMPLES)
def test_another_format_version_is_unreadable(decode: Callable[[bytes], object], body: bytes, version: bytes) -> None:
    with pytest.raises(Unreadable, match="format version 1: starts with"):
        decode(version + body.removeprefix(b"1\n"))


versions = st.integers(1, 30)


@given(versions, st.booleans(), versions, st.booleans(), st.sampled_from(EXAMPLES))
def test_two_releases_understand_each_other_if_their_versions_differ_by_one_at_most(
    older: int, older_switched: bool, newer: int, newer_switched: bool, example: tuple[Callable[[bytes], object], bytes]
) -> None:
    """Each brought a version N, reads N-1 and N, and writes N-1, or N once it has switched."""
    decode, body = example

    def understood(writer: int, switched: bool, reader: int) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wire, "READS", {b"%d" % reader, b"%d" % (reader - 1)})
            written = b"%d" % (writer if switched else writer - 1)
            try:
                return decode(written + body[1:]) is not None
            except Unreadable:
                return False

    follow = older == newer or (newer == older + 1 and older_switched and not newer_switched)
    both = understood(older, older_switched, newer) and understood(newer, newer_switched, older)
    if follow:
        assert both
    if abs(older - newer) > 1:
        assert not both


@pytest.mark.parametrize("writes", [b"1", b"2"])
@pytest.mark.parametrize(("decode", "body"), EXAMPLES)
def test_a_release_writes_the_version_that_it_says(
    monkeypatch: pytest.MonkeyPatch, decode: Callable[[bytes], object], body: bytes, writes: bytes
) -> None:
    said = decode(body)
    encode: dict[type, Callable[..., bytes]] = {
        wire.Lease: wire.encode_lease,
        list: wire.encode_outcomes,
        wire.Batch: wire.encode_batch,
    }
    monkeypatch.setattr(wire, "WRITES", writes)
    monkeypatch.setattr(wire, "READS", {writes})

    body = encode[type(said)](said)

    assert body.startswith(writes + b"\n")
    assert decode(body) == said


def json_with(body: bytes, change: Callable[[Any], None]) -> bytes:
    """The body with something done to its JSON."""
    version, text, *payloads = body.split(b"\n", 2)
    head = json.loads(text)
    change(head)
    return b"\n".join([version, json.dumps(head).encode(), *payloads])


unknown = st.dictionaries(st.text(min_size=1).map(lambda name: f"new {name}"), json_bytes.map(json.loads), min_size=1)


@given(leases, unknown)
def test_fields_of_a_lease_that_a_later_release_added_are_passed_over(lease: wire.Lease, more: dict[str, Any]) -> None:
    assert wire.decode_lease(json_with(wire.encode_lease(lease), lambda head: head.update(more))) == lease


@given(st.lists(outcomes, min_size=1, max_size=3), unknown)
def test_fields_of_an_outcome_that_a_later_release_added_are_passed_over(
    sent: list[wire.Outcome], more: dict[str, Any]
) -> None:
    def change(rows: Any) -> None:
        for row in rows:
            row.extend(more.values())

    decoded = wire.decode_outcomes(json_with(wire.encode_outcomes(sent), change))

    assert [replace(o, value=b"") for o in decoded] == [replace(o, value=b"") for o in sent]


@given(batches, unknown)
def test_fields_of_a_batch_and_its_entries_that_a_later_release_added_are_passed_over(
    batch: wire.Batch, more: dict[str, Any]
) -> None:
    def change(head: Any) -> None:
        head.update(more)
        for row in head["entries"]:
            row.extend(more.values())

    assert wire.decode_batch(json_with(wire.encode_batch(batch), change)) == batch


@pytest.mark.parametrize(
    "head",
    [
        b'{"kind":"open","session":"s","user":"","inbox":"i"}',
        b'{"kind":"open","session":"s","user":"no/id","inbox":"i"}',
        b'{"kind":"open","user":"alice","rev":-1}',
        b'{"kind":"open","user":"alice","confirm_timeout":0}',
        b'{"kind":"open","user":"alice","opened_at":NaN}',
        b'{"kind":"evict"}',
        b'{"kind":"sold","user":"alice"}',
        b'{"user":"alice"}',
        b"[" * 100_000,
        b'{"kind":' * 100_000,
        b'{"kind":"hello","rev":' + b"9" * 10_000 + b"}",
    ],
)
def test_a_lease_that_nobody_can_act_on_is_unreadable(head: bytes) -> None:
    with pytest.raises(Unreadable):
        wire.decode_lease(b"1\n" + head)


@pytest.mark.parametrize("value", [b"", b"nul", b"[1,]", b'"\xff"', b'"\\ud800"', b"NaN", b"[" * 100_000])
def test_an_outcome_whose_value_is_not_json_is_unreadable(value: bytes) -> None:
    with pytest.raises(Unreadable):
        wire.decode_outcomes(b'1\n[["alice","m1","s1","confirmed",' + value + b',""]]')


@pytest.mark.parametrize("sizes", [b"4,-1", b"6,-1", b"-1,-1", b"0,-2", b"1e400,-1", b"9" * 5000 + b",-1", b"3,3"])
def test_a_batch_whose_sizes_do_not_add_up_is_unreadable(sizes: bytes) -> None:
    with pytest.raises(Unreadable):
        wire.decode_batch(b'1\n{"reply":"d","window":8,"entries":[["f",["s1"],"alice","m1",' + sizes + b"]]}\n12345")


@pytest.mark.parametrize(
    "head", [b'{"reply":"d","window":0,"entries":[]}', b'{"reply":"d","window":1,"entries":[["z",[]]]}', b"{}", b"null"]
)
def test_a_batch_that_makes_no_sense_is_unreadable(head: bytes) -> None:
    with pytest.raises(Unreadable):
        wire.decode_batch(b"1\n" + head + b"\n")
