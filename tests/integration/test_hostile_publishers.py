"""Whatever a publisher puts on the exchange is delivered, dead with its reason, or refused by the broker."""

import asyncio
import struct
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pamqp.commands import Basic
from pamqp.common import FieldTable

from deploy.local.broker import Broker
from shared.names import UNROUTED, user_queue
from tests.support.broker import virtual_host
from tests.support.hostile_publisher import Hostile, Raw
from tests.support.lasting import Lasting, lasting
from tests.support.services import Services
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROWTH_MEGABYTES = 64
TOO_LARGE = 262_145


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lasting]:
    asyncio.get_running_loop().set_debug(False)
    with virtual_host(broker) as url:
        async with lasting(Services(url, tmp_path_factory.mktemp("services"))) as started:
            before = started.megabytes()
            yield started
            after = started.megabytes()
            print(
                f"\nhostile publishers: gateway {before[0]} -> {after[0]} MB, dispatcher {before[1]} -> {after[1]} MB"
            )
            assert after[0] - before[0] < GROWTH_MEGABYTES
            assert after[1] - before[1] < GROWTH_MEGABYTES


@pytest_asyncio.fixture(loop_scope="module")
async def post(running: Lasting) -> AsyncIterator[Lasting]:
    """After each test: the services live, nothing waits without a home, and the logs hold no stack trace."""
    yield running
    assert running.gateway.alive
    assert running.dispatcher.alive
    assert await running.publisher.waiting(UNROUTED) == 0
    assert "Traceback" not in running.log(), running.log()[-4000:]


@pytest_asyncio.fixture(loop_scope="module")
async def mallory(running: Lasting) -> AsyncIterator[Hostile]:
    async with Hostile(running.services.broker_url) as publisher:
        yield publisher


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def table(fields: bytes) -> bytes:
    return struct.pack(">I", len(fields)) + fields


def props(headers: FieldTable | None = None, **named: Any) -> Basic.Properties:
    return Basic.Properties(headers=headers, **named)


CONTENT_TYPE, ENCODING, HEADERS, EXPIRATION, MESSAGE_ID, TIMESTAMP, TYPE, USER_ID = (
    1 << bit for bit in (15, 14, 13, 8, 7, 6, 5, 4)
)
DEEP = b"[" * 100_000
NESTED = b"".join(b"\x01aF" + struct.pack(">I", 7 * depth) for depth in range(299, -1, -1))

DELIVERED = {
    "nothing said": (props(), b"1"),
    "an odd character set": (props(content_type="text/plain; charset=utf-99"), b"x"),
    "a content type of nothing but signs": (props(content_type=";;;///"), b"\xff"),
    "a content type that is no UTF-8": (Raw(CONTENT_TYPE, short(b"\xff/\xfe")), b"\xff"),
    "an empty binary": (props(content_type="application/octet-stream"), b""),
    "an empty text": (props(content_type="text/plain"), b""),
    "a type that is no UTF-8": (Raw(TYPE, short(b"\xfft\xfe" * 80)), b"1"),
    "an id that is no UTF-8": (Raw(MESSAGE_ID, short(b"\xff\xfe")), b"1"),
    "a NUL in its id": (props(message_id="m\0\n1"), b"1"),
    "a time in microseconds": (Raw(TIMESTAMP, struct.pack(">Q", 1_700_000_000_000_000)), b"1"),
    "the last of all times": (Raw(TIMESTAMP, b"\xff" * 8), b"1"),
    "the first of all times": (Raw(TIMESTAMP, b"\0" * 8), b"1"),
    "a sender that is a number": (props({"from": 7}), b"1"),
    "a sender that is a table": (props({"from": {"a": [1]}}), b"1"),
    "a sender that is no UTF-8": (Raw(HEADERS, table(short(b"from") + b"S" + table(b"\xff\xfe"))), b"1"),
    "a header whose name is no UTF-8": (Raw(HEADERS, table(short(b"\xff\xfe") + b"t\x01")), b"1"),
    "headers deep inside": (Raw(HEADERS, table(NESTED)), b"1"),
    "headers of 100 kB": (props({f"h{n}": "x" * 1000 for n in range(100)}), b"1"),
    "five thousand headers": (props({f"h{n}": n for n in range(5000)}), b"1"),
    "the dead letters' own headers": (props({"reason": "refused", "user": "bob", "attempts": 99}), b"1"),
    "our own headers": (props({"x-given-message-id": True, "x-original-user-id": "root"}, message_id="m1"), b"1"),
    "a death that was none": (props({"x-death": [{"queue": "sessions.1", "count": 10**9}]}), b"1"),
    "a delivery count": (props({"x-delivery-count": 10**9}), b"1"),
    "the type of the dispatcher's own": (props(message_type="opened"), b"1"),
    "its own user id": (props(user_id="guest"), b"1"),
    "a copy to an internal queue": (props({"CC": ["sessions.3", "unrouted", "dead-letters"]}), b"1"),
    "a hidden copy to an internal queue": (props({"BCC": ["sessions.3", "dispatcher.x"]}), b"1"),
    "a receipt for an internal queue": (props(reply_to="sessions.3", correlation_id="c"), b"1"),
    "a receipt for the dead letters": (props(reply_to="dead-letters", message_id="m2"), b"1"),
    "a receipt for an address without end": (props(reply_to="x" * 255, correlation_id="y" * 255), b"1"),
    "a receipt for no UTF-8": (Raw(1 << 9, short(b"\xff\xfe")), b"1"),
    "the direct reply": (props(reply_to="amq.rabbitmq.reply-to.x"), b"1"),
    "flags that no property has": (Raw(TYPE | 3, short(b"t")), b"1"),
    "the highest priority": (props(priority=255), b"1"),
}

DEAD = {
    "an empty body": (props(), b"", "bad_body"),
    "no JSON": (props(), b"{", "bad_body"),
    "two values": (props(), b"1 2", "bad_body"),
    "not a number": (props(), b"NaN", "bad_body"),
    "brackets without end": (props(), DEEP, "bad_body"),
    "an escape of half a surrogate pair": (props(), b'"\\ud800"', "bad_body"),
    "JSON in UTF-16": (props(content_type="application/json"), '{"a":1}'.encode("utf-16"), "bad_body"),
    "JSON after a byte order mark": (props(), b"\xef\xbb\xbf1", "bad_body"),
    "a text that is not UTF-8": (props(content_type="text/plain"), b"\xff\xfe", "bad_body"),
    "a compressed body": (props(content_encoding="gzip"), b"\x1f\x8b", "bad_body"),
    "an encoding that is no UTF-8": (Raw(ENCODING, short(b"\xff" * 200)), b"1", "bad_body"),
    "an id of 129 characters": (props(message_id="m" * 129), b"1", "bad_id"),
    "a body over the limit": (props(), b'"' + b"x" * TOO_LARGE + b'"', "too_large"),
    "a body of eight megabytes": (props(content_type="a/b"), b"x" * 8_000_000, "too_large"),
    "no JSON, with headers of 100 kB": (props({f"h{n}": "x" * 1000 for n in range(100)}), b"{", "bad_body"),
    "no JSON, with a copy": (props({"CC": ["bob"]}, user_id="guest"), b"{", "bad_body"),
    "no JSON, with headers deep inside": (Raw(HEADERS, table(NESTED)), b"{", "bad_body"),
    "no JSON, with a time of no calendar": (Raw(TIMESTAMP, b"\xff" * 8), b"{", "bad_body"),
    "no JSON, with headers of a former death": (props({"reason": "x", "detail": 7, "user": []}), b"{", "bad_body"),
}

USERS = {
    "nobody": "",
    "a space": "a b",
    "a wildcard": "#",
    "a path": "../sessions.1",
    "a line feed": "alice\n",
    "a NUL": "alice\0",
    "Greek": "\u0391lice",
    "129 characters": "a" * 129,
    "255 characters": "a" * 255,
}


def named(cases: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in cases.items()])


def somebody() -> str:
    return f"target.{uuid.uuid4().hex[:8]}"


@named(DELIVERED)
@pytest.mark.parametrize("known", [True, False], ids=["at once", "by way of unrouted"])
async def test_an_odd_message_is_delivered(
    post: Lasting, mallory: Hostile, case: tuple[Basic.Properties, bytes], known: bool
) -> None:
    properties, said = case
    user = somebody()
    if not known:
        await mallory.publish(user, said, properties)
        await post.publisher.waits(user, 1)

    client = await post.client(user)
    if known:
        await mallory.publish(user, said, properties)
    await post.publisher.publish(user, "after", id="after")
    await client.received(["after"])
    await until(lambda: len(client.messages) == 2, lambda: f"both: {client}")

    await client.disconnect()
    await client.end()
    await post.publisher.waits(user, 0)
    assert len(client.sessions) == 1
    assert not mallory.refused


@named(DEAD)
async def test_a_message_that_cannot_be_is_dead_with_its_reason(
    post: Lasting, mallory: Hostile, case: tuple[Basic.Properties, bytes, str]
) -> None:
    properties, said, reason = case
    user = somebody()
    client = await post.client(user)

    await mallory.publish(user, said, properties)
    await post.publisher.publish(user, "after", id="after")
    await client.received(["after"])
    [letter] = await post.publisher.dead_letters(user)

    assert (letter["reason"], letter["body"]) == (reason, said)
    assert client.ids == ["after"]
    await client.disconnect()
    await client.end()
    await post.publisher.waits(user, 0)


@named(USERS)
async def test_a_message_for_nobody_that_can_be_is_dead_with_its_reason(
    post: Lasting, mallory: Hostile, case: str
) -> None:
    await mallory.publish(case, b"1", props())

    [letter] = await post.publisher.dead_letters(case)

    assert (letter["reason"], letter["body"]) == ("bad_user", b"1")


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        pytest.param(props(user_id="root"), "user_id", id="another's user id"),
        pytest.param(props(expiration="soon"), "expiration", id="an expiration in words"),
        pytest.param(props(expiration="-1"), "expiration", id="a negative expiration"),
        pytest.param(props(expiration="9" * 30), "expiration", id="an expiration without end"),
        pytest.param(props({"CC": "bob"}), "CC", id="copies that are no list"),
    ],
)
async def test_what_the_broker_refuses_reaches_nobody(
    post: Lasting, mallory: Hostile, properties: Basic.Properties, why: str
) -> None:
    user = somebody()
    async with post.undisturbed():
        await mallory.publish(user, b"1", properties)

    assert why.lower() in mallory.refused.lower(), mallory.refused
    assert await post.publisher.waiting(user_queue(user)) is None


async def test_somebody_else_notices_nothing_of_two_hundred_bad_messages(post: Lasting, mallory: Hostile) -> None:
    user = somebody()
    client = await post.client(user)

    async with post.undisturbed():
        for number in range(200):
            properties, said, _ = list(DEAD.values())[number % 4]
            await mallory.publish(user, said, properties)
        await post.publisher.publish(user, "after", id="after")
        await client.received(["after"])

    await post.publisher.dead_letters(user, 200)
    await client.disconnect()
    await client.end()
