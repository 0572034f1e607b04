"""What a message says: bodies, refusals, dead letters and receipts."""

import datetime as dt
from typing import Any

import pytest

from tests.e2e.conftest import ClientKind, Device
from tests.support.client import Mode
from tests.support.publisher import Publisher
from tests.support.services import Service
from tests.support.tokens import token


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        (None, b'{"n": 1.5, "s": "\\u00e9"}', {"n": 1.5, "s": "é"}),
        ("application/json; charset=utf-8", b"null", None),
        ("application/cloudevents+json", b"[1, 2]", [1, 2]),
        ("text/plain", "Größe".encode(), "Größe"),
        ("application/octet-stream", bytes(range(256)), bytes(range(256))),
        ("image/png", b"", b""),
    ],
)
async def test_a_body_arrives_as_its_content_type_says(
    gateway: Service,
    publisher: Publisher,
    device: Device,
    kind: ClientKind,
    alice: str,
    content_type: str | None,
    body: bytes,
    data: Any,
) -> None:
    phone = device("phone", alice, kind)
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    await publisher.publish(alice, body, id="m1", content_type=content_type)
    await publisher.publish(alice, "after", id="m2")
    await phone.received(["m1", "m2"])

    assert phone.ids == ["m1", "m2"]
    assert phone.messages[0].data == data
    await phone.disconnect()
    await publisher.waits(alice, 0)


async def test_the_properties_of_a_message_reach_the_client(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    sent = dt.datetime(2026, 5, 4, 3, 2, 1, tzinfo=dt.UTC)
    await publisher.publish(alice, {}, id="m1", type="order.paid", timestamp=sent, headers={"from": "shop"})
    await phone.received(["m1"])

    [message] = phone.messages
    assert (message.type, message.sender, message.timestamp) == ("order.paid", "shop", int(sent.timestamp() * 1000))


async def test_a_message_without_an_id_is_given_one(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    await publisher.publish(alice, "anonymous")
    await publisher.publish(alice, "named", id="m2")
    await phone.received(["m2"])

    assert [m.data for m in phone.messages] == ["anonymous", "named"]
    assert phone.messages[0].id


async def test_a_refused_message_goes_to_dead_letters_with_its_reason(
    gateway: Service, publisher: Publisher, device: Device, kind: ClientKind, alice: str
) -> None:
    phone = device("phone", alice, kind)
    await phone.mode(Mode.REFUSE, reason="I do not take parcels")
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    await publisher.publish(alice, {"parcel": 1}, id="m1", type="parcel", headers={"trace": "t1"})
    [letter] = await publisher.dead_letters(alice)

    assert (letter["reason"], letter["detail"], letter["id"]) == ("refused", "I do not take parcels", "m1")
    assert (letter["body"], letter["trace"]) == (b'{"parcel": 1}', "t1")
    await phone.disconnect()
    await publisher.waits(alice, 0)


async def test_a_refusal_settles_nothing_while_another_session_may_still_confirm(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    phone, laptop = device("phone", alice), device("laptop", alice)
    await phone.mode(Mode.REFUSE, reason="not on a phone")
    await laptop.mode(Mode.SILENT)
    for client in (phone, laptop):
        await client.connect(gateway.url, token(alice))
        await client.online()
    receipts = await publisher.bind_receipts("shop")

    await publisher.publish(alice, {}, id="m1", reply_to="shop", correlation_id="c1")
    await phone.received(["m1"])
    await laptop.received(["m1"])
    await laptop.confirm("m1", value="opened")

    _, receipt = await receipts.get()
    assert (receipt["outcome"], receipt["value"]) == ("confirmed", "opened")


@pytest.mark.parametrize(
    ("reason", "body", "properties"),
    [
        ("bad_body", b"{", {}),
        ("bad_body", b"\xff", {"content_type": "text/plain"}),
        ("bad_body", b"{}", {"content_encoding": "gzip"}),
        ("too_large", b'"' + b"x" * 262_144 + b'"', {}),
    ],
)
async def test_what_can_never_be_delivered_goes_to_dead_letters_and_blocks_nobody(
    gateway: Service,
    publisher: Publisher,
    device: Device,
    alice: str,
    reason: str,
    body: bytes,
    properties: dict[str, Any],
) -> None:
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    await publisher.publish(alice, body, id="m1", **properties)
    await publisher.publish(alice, "next", id="m2")

    await phone.received(["m2"])
    [letter] = await publisher.dead_letters(alice)
    assert (letter["reason"], letter["id"], letter["body"]) == (reason, "m1", body)
    assert letter["detail"]
    assert phone.ids == ["m2"]


async def test_a_message_for_no_possible_user_goes_to_dead_letters(
    gateway: Service, publisher: Publisher, alice: str
) -> None:
    nobody = f"{alice} and/or bob"

    await publisher.publish(nobody, {}, id="m1")

    [letter] = await publisher.dead_letters(nobody)
    assert (letter["reason"], letter["id"]) == ("bad_user", "m1")


async def test_a_publisher_gets_a_receipt_with_what_the_client_said(
    gateway: Service, publisher: Publisher, device: Device, kind: ClientKind, alice: str
) -> None:
    receipts = await publisher.bind_receipts("shop")
    await publisher.publish(alice, "shall we?", id="m1", reply_to="shop", correlation_id="c1")
    await publisher.waits(alice, 1)

    phone = device("phone", alice, kind)
    await phone.mode(Mode.VALUE, value={"answer": [True, None]})
    await phone.connect(gateway.url, token(alice))

    correlation, receipt = await receipts.get()
    assert correlation == "c1"
    assert {key: receipt[key] for key in ("id", "user", "outcome", "value")} == {
        "id": "m1",
        "user": alice,
        "outcome": "confirmed",
        "value": {"answer": [True, None]},
    }
    assert receipt["settled_at"]


async def test_a_publisher_gets_a_receipt_for_a_refusal(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    receipts = await publisher.bind_receipts("shop")
    phone = device("phone", alice)
    await phone.mode(Mode.REFUSE, reason="no, thanks")
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    await publisher.publish(alice, {}, id="m1", reply_to="shop", correlation_id="c1")

    correlation, receipt = await receipts.get()
    assert (correlation, receipt["outcome"], receipt["detail"]) == ("c1", "refused", "no, thanks")


async def test_a_publisher_gets_a_receipt_for_a_message_that_can_never_be_delivered(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    receipts = await publisher.bind_receipts("shop")
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    await publisher.publish(alice, b"{", id="m1", reply_to="shop", correlation_id="c1")

    correlation, receipt = await receipts.get()
    assert (correlation, receipt["outcome"]) == ("c1", "rejected")
