"""Publishers that say anything at all, from a seed: each message is with the client, dead, or refused by the broker.

`FUZZ_SEED` and `FUZZ_BATCHES` in the environment try other messages, or more of them.
"""

import asyncio
import os
import struct
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from deploy.local.broker import Broker
from shared.message import Reason
from shared.names import DEAD_LETTERS, UNROUTED
from tests.support.broker import virtual_host
from tests.support.hostile_publisher import Hostile, Raw
from tests.support.lasting import Lasting, lasting
from tests.support.services import Services

SEED = int(os.environ.get("FUZZ_SEED", "1"))
BATCHES = int(os.environ.get("FUZZ_BATCHES", "15"))
BATCH_SECONDS = 60.0
GROWTH_MEGABYTES = 64

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120 + BATCHES * BATCH_SECONDS),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]

_numbers = count(1)


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def long(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value


def field(letter: bytes, *, size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size).map(letter.__add__)


_scalars = st.one_of(
    field(b"t", size=1),
    field(b"b", size=1),
    field(b"B", size=1),
    field(b"s", size=2),
    field(b"u", size=2),
    field(b"I", size=4),
    field(b"i", size=4),
    field(b"l", size=8),
    field(b"f", size=4),
    field(b"d", size=8),
    field(b"D", size=5),
    field(b"T", size=8),
    st.just(b"V"),
    st.binary(max_size=40).map(lambda value: b"S" + long(value)),
    st.binary(max_size=40).map(lambda value: b"x" + long(value)),
    st.sampled_from([b"d\x7f\xf8" + b"\0" * 6, b"d\x7f\xf0" + b"\0" * 6, b"D\xff" + b"\xff" * 4, b"T" + b"\xff" * 8]),
)
_names = st.binary(max_size=20) | st.sampled_from(
    b"from,reason,user,attempts,detail,x-death,x-delivery-count,x-given-message-id,x-original-cc,x-original-user-id,"
    b"x-first-death-queue,unreadable,x-match".split(b",")
)


def table(inner: st.SearchStrategy[bytes], most: int) -> st.SearchStrategy[bytes]:
    fields = st.lists(st.tuples(_names, inner), max_size=most, unique_by=lambda one: one[0])
    return fields.map(lambda some: long(b"".join(short(name) + value for name, value in some)))


_values = st.recursive(
    _scalars,
    lambda inner: (
        table(inner, 4).map(b"F".__add__) | st.lists(inner, max_size=4).map(lambda some: b"A" + long(b"".join(some)))
    ),
    max_leaves=8,
)
_copies = st.sampled_from(
    [
        *(short(name) + b"A" + long(b"") for name in (b"CC", b"BCC")),
        *(short(b"CC") + b"A" + long(value) for value in (b"t\x01", b"A" + long(b""), b"V", b"F" + long(b""))),
        short(b"CC") + b"A" + long(b"S" + long(b"sessions.3") + b"S" + long(b"\xff\xfe")),
        short(b"BCC") + b"A" + long(b"S" + long(b"dead-letters") + b"S" + long(b"x" * 300)),
        short(b"BCC") + b"F" + long(b""),
        short(b"cc") + b"S" + long(b"unrouted"),
    ]
)
_huge = st.integers(1, 60).map(lambda n: long(b"".join(short(b"h%d" % i) + b"S" + long(b"x" * 1000) for i in range(n))))
_broken = st.sampled_from([long(b"\x05ab"), long(short(b"a") + b"?"), b"\xff\xff\xff\xff", long(short(b"a") + b"S\0")])
_with_copies = st.tuples(table(_values, 3), _copies).map(lambda both: long(both[0][4:] + both[1]))
_headers = st.one_of(*[table(_values, 6)] * 9, _huge, _huge, _with_copies, _with_copies, _broken)


def named(*usual: bytes) -> st.SearchStrategy[bytes]:
    """One of these, or whatever fits."""
    return (st.sampled_from(usual) | st.binary(max_size=255) | st.text(max_size=60).map(_utf8)).map(short)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


_octets = st.integers(0, 255).map(lambda value: bytes([value]))
_types = (b"text/plain; charset=utf-16", b"TEXT/x;;=", b"a/b+json;c=\xff", b"application/json;", b"+json", b"/", b" ")
_PROPERTIES: list[tuple[str, st.SearchStrategy[bytes]]] = [
    ("content_type", named(b"", b"application/json", b"text/plain", b"x/y", *_types)),
    ("content_encoding", named(b"", b"", b"identity", b"gzip", b"utf-8")),
    ("headers", _headers),
    ("delivery_mode", st.sampled_from([b"\1", b"\2", b"\1", b"\2"]) | _octets),
    ("priority", _octets),
    ("correlation_id", named(b"", b"c")),
    ("reply_to", named(b"", b"shop", b"sessions.1", b"receipts", b"unrouted", b"amq.rabbitmq.reply-to")),
    ("expiration", named(b"600000", b"600000", b"0", b"-1", b"1.5", b" 60000", b"4294967296", b"", b"soon")),
    ("message_id", st.binary(max_size=150) | st.text(max_size=30).map(_utf8)),
    (
        "timestamp",
        st.binary(min_size=8, max_size=8) | st.integers(0, 4_000_000_000).map(lambda n: n.to_bytes(8, "big")),
    ),
    ("type", named(b"", b"sms", b"opened")),
    ("user_id", named(b"guest", b"guest", b"", b"root")),
    ("app_id", named(b"", b"shop")),
    ("cluster_id", named(b"", b"rabbit")),
]


@dataclass(frozen=True, slots=True)
class Message:
    """`id` is what its properties say on the wire."""

    id: bytes
    properties: Raw
    body: bytes

    def __repr__(self) -> str:
        return f"({self.properties!r:.400}, {self.body!r:.100})"


_json = st.recursive(
    st.sampled_from([b"1", b"null", b'""', b"-0.0", b"1e308", b'"\\ud83d\\ude00"', b"12345678901234567890123"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda some: b"[" + b",".join(some) + b"]")
        | inner.map(lambda one: b'{"id":' + one + b',"__proto__":1,"_placeholder":true,"num":0}')
    ),
    max_leaves=6,
)
_bodies = st.one_of(
    _json,
    _json,
    st.binary(max_size=200),
    st.text(max_size=60).map(_utf8),
    st.sampled_from([b"", b"NaN", b"1 2", b"[" * 5_000 + b"]" * 5_000, b'"' + b"x" * 300_000 + b'"', b"\0" * 200_000]),
)
SELDOM = ("content_encoding", "expiration", "user_id")


@st.composite
def _messages(draw: st.DrawFn) -> Message:
    flags, written, own_id = 0, b"", b""
    for place, (name, values) in enumerate(_PROPERTIES):
        if draw(st.integers(0, 9)) >= (1 if name in SELDOM else 4):
            continue
        flags |= 1 << (15 - place)
        value = draw(values)
        if name == "message_id":
            own_id = value + b"%d" % next(_numbers)  # two copies of one id are one message
            value = short(own_id)
        written += value
    return Message(own_id, Raw(flags | draw(st.sampled_from([0] * 30 + [1, 2])), written), draw(_bodies))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def post(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lasting]:
    asyncio.get_running_loop().set_debug(False)
    with virtual_host(broker) as url:
        async with lasting(Services(url, tmp_path_factory.mktemp("services"))) as started:
            yield started


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def tally(post: Lasting) -> AsyncIterator[Counter[str]]:
    """What became of all messages, told at the end with what it cost."""
    before, met = post.megabytes(), Counter[str]()
    yield met
    after = post.megabytes()
    print(f"\nFUZZ_SEED={SEED} FUZZ_BATCHES={BATCHES}: {dict(met)}")
    print(f"gateway {before[0]} -> {after[0]} MB, dispatcher {before[1]} -> {after[1]} MB")


@seed(SEED)
@settings(
    max_examples=BATCHES,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # one that fails is printed; to make it smaller would take its wait again and again
    suppress_health_check=list(HealthCheck),
)
@given(
    batch=st.lists(_messages(), min_size=10, max_size=40),
    known=st.booleans(),
)
async def test_whatever_is_published_is_delivered_or_dead_or_refused(
    post: Lasting, tally: Counter[str], batch: list[Message], known: bool
) -> None:
    before = post.megabytes()
    async with asyncio.timeout(BATCH_SECONDS), post.undisturbed():
        await _bear(post, tally, batch, known=known)

    assert post.gateway.alive
    assert post.dispatcher.alive
    assert "Traceback" not in post.log(), post.log()[-4000:]
    after = post.megabytes()
    assert max(after[0] - before[0], after[1] - before[1]) < GROWTH_MEGABYTES, (before, after)


async def _bear(post: Lasting, tally: Counter[str], batch: list[Message], *, known: bool) -> None:
    user = f"target.{uuid.uuid4().hex[:8]}"
    client = await post.client(user) if known else None
    held: list[Message] = []
    async with Hostile(post.services.broker_url) as mallory:
        for message in batch:
            if await mallory.publish(user, message.body, message.properties):
                held.append(message)
            else:
                why = mallory.refused.partition(" - ")[2] or mallory.refused
                tally[f"refused for {' '.join(why.split()[:2])}"] += 1
    client = client or await post.client(user)
    await post.publisher.publish(user, "after", id="after")
    await client.received(["after"], seconds=30)
    await client.disconnect()
    await client.end()
    await post.publisher.waits(user, 0, seconds=30)  # all of it settled
    assert await post.publisher.waiting(UNROUTED) == 0

    may_expire = sum(bool(message.properties.marshal()[0] & 1) for message in held)  # expiration is bit 8
    dead = await post.publisher.dead_letters(user, len(held) + 1 - len(client.messages) - may_expire)
    tally.update(published=len(batch), held=len(held), delivered=len(client.messages) - 1)
    tally.update(f"dead: {letter['reason']}" for letter in dead)
    await post.publisher.purge(DEAD_LETTERS)

    lost = len(held) + 1 - len(client.messages) - len(dead)
    assert 0 <= lost <= may_expire, (lost, may_expire, post.log()[-2000:])
    assert {letter["reason"] for letter in dead} <= {Reason.BAD_BODY, Reason.BAD_ID, Reason.TOO_LARGE}
    assert not Counter(letter["body"] for letter in dead) - Counter(message.body for message in held)
    assert len(client.sessions) == 1
    order = [message.id.decode() for message in held if message.id.isascii() and message.id]
    assert [message for message in client.ids if message in order] == [own for own in order if own in client.ids]
