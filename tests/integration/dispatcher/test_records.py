"""Dead letters and receipts: safe in the broker before the original is acked."""

import json
import struct
from datetime import UTC, datetime

import pytest
from pamqp.commands import Basic

from shared.moved import own_message_id
from shared.names import DEAD_LETTERS, RECEIPTS, UNROUTED, user_queue
from shared.wire import OutcomeKind
from tests.integration.dispatcher.gateway import Gateway
from tests.integration.dispatcher.running import Running
from tests.support.until import until


async def buried(gateway: Gateway, dispatcher: Running, reason: str) -> tuple[Basic.Properties, bytes]:
    await until(lambda: dispatcher.value("dead_lettered_total", reason=reason) == 1, f"a dead letter: {reason}")
    message = await gateway.take(DEAD_LETTERS)
    assert message is not None
    return message.header.properties, message.body


async def test_a_bad_body_is_buried_with_everything_that_its_publisher_said(
    dispatcher: Running, gateway: Gateway
) -> None:
    sent = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    await gateway.open("alice")
    await gateway.publish(
        "alice",
        b"{not json",
        message_id="m1",
        correlation_id="c1",
        message_type="note",
        app_id="shop",
        priority=3,
        timestamp=sent,
        expiration="60000",
        headers={"from": "bob", "price": 0.1, "raw": bytearray(b"\xff"), "deep": {"list": [1, None, True]}},
    )

    properties, body = await buried(gateway, dispatcher, "bad_body")

    assert body == b"{not json"
    assert (properties.message_id, properties.correlation_id, properties.message_type) == ("m1", "c1", "note")
    assert (properties.app_id, properties.priority, properties.timestamp) == ("shop", 3, sent)
    assert (properties.expiration, properties.delivery_mode) == (None, 2)
    headers = properties.headers or {}
    assert headers["deep"] == {"list": [1, None, True]}
    assert (headers["from"], headers["price"], headers["raw"]) == ("bob", 0.1, bytearray(b"\xff"))
    assert (headers["reason"], headers["user"], headers["attempts"]) == ("bad_body", "alice", 0)
    assert headers["x-original-expiration"] == "60000"
    await until(lambda: dispatcher.value("acked_total") == 1, "the original is acked")


async def test_a_refusal_is_buried_and_its_publisher_is_told(dispatcher: Running, gateway: Gateway) -> None:
    gateway.confirming = False
    await gateway.channel.queue_declare("answers", exclusive=True)
    await gateway.channel.queue_bind("answers", RECEIPTS, "shop.answers")
    await gateway.open("alice")
    await gateway.publish("alice", b"1", message_id="m1", reply_to="shop.answers", correlation_id="c1")
    await until(lambda: gateway.forwards, "the message is forwarded")

    await gateway.report(OutcomeKind.REFUSED, gateway.forwards, detail="too late")

    properties, _ = await buried(gateway, dispatcher, "refused")
    assert (properties.headers or {})["detail"] == "too late"
    await until(lambda: dispatcher.value("acked_total") == 1, "the original is acked")
    receipt = await gateway.take("answers")
    assert receipt is not None
    assert receipt.header.properties.correlation_id == "c1"
    told = json.loads(receipt.body)
    assert told.pop("settled_at") > 1_700_000_000_000
    assert told == {
        "id": "m1",
        "user": "alice",
        "outcome": "refused",
        "value": None,
        "detail": "too late",
        "attempts": 0,
    }


async def test_a_receipt_carries_what_the_client_passed(dispatcher: Running, gateway: Gateway) -> None:
    await gateway.channel.queue_declare("answers", exclusive=True)
    await gateway.channel.queue_bind("answers", RECEIPTS, "shop.answers")
    await gateway.open("alice")

    await gateway.publish("alice", b"1", message_id="m1", reply_to="shop.answers")

    await until(lambda: dispatcher.value("acked_total") == 1, "the original is acked")
    receipt = await gateway.take("answers")
    assert receipt is not None
    assert json.loads(receipt.body)["value"] == "read"


async def test_a_dead_letter_finds_its_queue_again_after_somebody_deleted_it(
    dispatcher: Running, gateway: Gateway
) -> None:
    await gateway.channel.queue_delete(DEAD_LETTERS)
    await gateway.open("alice")

    await gateway.publish("alice", b"{", message_id="m1")

    properties, _ = await buried(gateway, dispatcher, "bad_body")
    assert properties.message_id == "m1"


async def test_a_dead_letter_that_had_no_id_says_that_it_was_given_one(dispatcher: Running, gateway: Gateway) -> None:
    await gateway.open("alice")
    await until(lambda: dispatcher.value("users") == 1, "alice is served")
    # Past the publisher's library, which would give it an id of its own.
    await gateway.channel.basic_publish(
        b"{", exchange="messages", routing_key="alice", properties=Raw(struct.pack(">H", 0))
    )

    properties, _ = await buried(gateway, dispatcher, "bad_body")

    assert properties.message_id
    assert own_message_id(properties) is None


class Raw(Basic.Properties):
    """Properties as a publisher in another language may write them."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self._raw = raw

    def marshal(self) -> bytes:
        return self._raw


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def table(key: bytes, value: bytes) -> bytes:
    entry = short(key) + value
    return struct.pack(">I", len(entry)) + entry


ODD = {
    "a type in Latin-1": struct.pack(">H", 1 << 5) + short(b"caf\xe9"),
    "an id in Latin-1": struct.pack(">H", 1 << 7) + short(b"caf\xe9"),
    "a time in nanoseconds": struct.pack(">HQ", 1 << 6, 1_763_800_000_000_000_000),
    "a header's name in Latin-1": struct.pack(">H", 1 << 13) + table(b"\xe9", b"V"),
    "a header in Latin-1": struct.pack(">H", 1 << 13) + table(b"a", b"S\x00\x00\x00\x01\xe9"),
    "a header that no float holds": struct.pack(">H", 1 << 13) + table(b"a", b"d" + struct.pack(">d", 1e300)),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_whatever_a_publisher_writes_reaches_a_user_who_never_connected(
    dispatcher: Running, gateway: Gateway, odd: bytes
) -> None:
    await gateway.channel.basic_publish(b"1", exchange="messages", routing_key="alice", properties=Raw(odd))

    await until(lambda: dispatcher.value("unrouted_moved_total") == 1, "the message is moved")
    await gateway.open("alice")
    await until(lambda: len(gateway.forwards) == 1, "the message arrives")
    await until(lambda: dispatcher.value("acked_total") == 1, "the broker is acked")
    assert dispatcher.value("generations_total") == 1
    assert await gateway.ready(UNROUTED) == 0
    assert await gateway.ready(user_queue("alice")) == 0


async def test_headers_that_leave_no_room_for_ours_are_given_up_and_the_letter_is_not(
    dispatcher: Running, gateway: Gateway
) -> None:
    await gateway.open("alice")
    await gateway.publish("alice", b"{", message_id="m1", headers={"long": "x" * 130_900})

    properties, body = await buried(gateway, dispatcher, "bad_body")

    assert body == b"{"
    assert set(properties.headers or {}) >= {"reason", "detail", "user", "attempts"}
    assert "long" not in (properties.headers or {})
