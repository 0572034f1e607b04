"""What is published past the library, held to the library: the same bytes out, the same made of the answers."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from aiormq import Channel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.commands import Channel as Frames
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from shared.broker import BrokerAway
from shared.confirms import Confirms, Fate
from shared.publication import marshalled, packed
from shared.sieve import Sieve
from tests.properties.test_lanes import properties, short
from tests.support.streams import fed

CHANNEL = 3
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

hot = st.builds(Basic.Properties, message_id=st.none() | short, delivery_mode=st.sampled_from([None, 1, 2]))
exchanges = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=20)


@unhurried
@given(exchanges, short, st.booleans(), properties | hot, st.binary(max_size=100), st.integers(1, 101))
def test_a_publication_is_the_librarys_frames(
    exchange: str, routing_key: str, mandatory: bool, written: Basic.Properties, body: bytes, most: int
) -> None:
    library = cast("Channel", SimpleNamespace(max_content_size=most))
    frames: list[frame.FrameTypes] = [
        Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=mandatory),
        ContentHeader(0, len(body), written),
        *Channel._split_body(library, body),
    ]

    found = packed(
        CHANNEL,
        exchange=exchange,
        routing_key=routing_key,
        mandatory=mandatory,
        properties=marshalled(written),
        body=body,
        most=most,
    )

    assert found == b"".join(frame.marshal(each, CHANNEL) for each in frames)


@pytest.mark.parametrize("far", [256, 70_000])
def test_what_does_not_fit_into_the_frames_is_refused(far: int) -> None:
    for names in {"exchange": "e" * far, "routing_key": ""}, {"exchange": "", "routing_key": "ü" * (far // 2)}:
        with pytest.raises(ValueError, match="too long"):
            packed(CHANNEL, **names, mandatory=True, properties=b"\0\0", body=b"", most=100)
    with pytest.raises(TypeError):
        marshalled(Basic.Properties(message_id="x" * far, delivery_mode=1))


def returned(message_id: str, pieces: list[bytes]) -> bytes:
    body = sum(map(len, pieces))
    frames: list[frame.FrameTypes] = [
        Basic.Return(312, "NO_ROUTE", "gateways", "nobody"),
        ContentHeader(0, body, Basic.Properties(message_id=message_id, headers={"from": "alice"})),
        *map(ContentBody, pieces),
    ]
    return b"".join(frame.marshal(each, CHANNEL) for each in frames)


LIBRARYS = frame.marshal(Heartbeat(), 0) + frame.marshal(Frames.Flow(active=True), CHANNEL)
ANOTHERS = frame.marshal(Basic.Ack(1), CHANNEL + 1) + frame.marshal(Basic.Nack(2), CHANNEL + 1)


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[Fate | None], bytes, bytes]:
    """What becomes of each publication, what a broker sends to say so, and what of that is the library's."""
    fates: list[Fate | None] = [None] * draw(st.integers(1, 8))
    open_tags = set(range(1, len(fates) + 1))
    sent, passed = b"", b""
    for _ in range(draw(st.integers(0, 12))):
        if not open_tags:
            break
        tag, kind = draw(st.sampled_from(sorted(open_tags))), draw(st.sampled_from(["ack", "nack", "return", "other"]))
        if kind == "other":
            other = draw(st.sampled_from([LIBRARYS, ANOTHERS]))
            sent, passed = sent + other, passed + other
        elif kind == "return" and fates[tag - 1] is None:
            fates[tag - 1] = Fate.RETURNED
            sent += returned(f"m{tag}", draw(st.lists(st.binary(min_size=1, max_size=30), max_size=2)))
        else:
            multiple, good = draw(st.booleans()), kind == "ack"
            for each in [t for t in open_tags if t == tag or (multiple and t < tag)]:
                fates[each - 1] = fates[each - 1] or (Fate.HELD if good else Fate.REFUSED)
                open_tags.remove(each)
            sent += frame.marshal(Basic.Ack(tag, multiple) if good else Basic.Nack(tag, multiple), CHANNEL)
    return fates, sent, passed


@unhurried
@given(answers(), st.lists(st.integers(1, 40) | st.just(100_000), min_size=1, max_size=20))
def test_everybody_is_told_what_became_of_his_wherever_reads_end(
    told: tuple[list[Fate | None], bytes, bytes], sizes: list[int]
) -> None:
    expected, sent, passed_on = told

    async def heard() -> tuple[list[Fate | None], bytes]:
        confirms, passed = Confirms(), bytearray()
        sieve = Sieve(passed.extend)
        sieve.alive_seconds = float("inf")
        sieve.heed(CHANNEL, confirms.heard)
        waiting = [asyncio.get_running_loop().create_future() for _ in expected]
        for number, one in enumerate(waiting, start=1):
            confirms.await_next(f"m{number}", one)
        fed(sieve.feed, sent, sizes)
        fates = [one.result() if one.done() else None for one in waiting]
        confirms.lose("the channel was closed")
        for one, fate in zip(waiting, fates, strict=True):
            if fate is None:
                assert isinstance(one.exception(), BrokerAway)
        return fates, bytes(passed)

    assert asyncio.run(heard()) == (expected, passed_on)


async def test_who_waits_no_more_is_passed_over_and_his_id_may_be_used_again() -> None:
    confirms, passed = Confirms(), bytearray()
    sieve = Sieve(passed.extend)
    sieve.alive_seconds = float("inf")
    sieve.heed(CHANNEL, confirms.heard)
    first, second, third = [asyncio.get_running_loop().create_future() for _ in range(3)]
    for one in first, second, third:
        confirms.await_next("m1" if one is not third else "m3", one)
    first.cancel()

    sieve.feed(returned("m1", []) + returned("unknown", [b"x"]) + frame.marshal(Basic.Ack(3, multiple=True), CHANNEL))

    assert (second.result(), third.result()) == (Fate.RETURNED, Fate.HELD)
    assert not passed


def test_a_channel_that_is_heeded_no_more_is_the_librarys_again() -> None:
    passed = bytearray()
    sieve = Sieve(passed.extend)
    confirms, anothers = Confirms(), Confirms()
    ack = frame.marshal(Basic.Ack(1), CHANNEL)
    sieve.heed(CHANNEL, confirms.heard)
    sieve.feed(ack)
    assert frame.unmarshal(bytes(passed))[2].name == "Heartbeat", "the library is to know that the broker lives"
    passed.clear()

    sieve.heed_no_more(CHANNEL, anothers.heard)
    sieve.feed(ack)
    assert not passed
    sieve.heed_no_more(CHANNEL, confirms.heard)
    sieve.feed(ack)

    assert bytes(passed) == ack
