"""Messages for users who never connected wait for them, however they come."""

import asyncio
import json
import time
from urllib.parse import urlsplit

import pytest
from aiormq.exceptions import DeliveryError

from dispatcher.core.quota import SENDER_BURST
from dispatcher.unrouted import PREFETCH
from shared.names import DEAD_LETTERS, RECEIPTS, UNROUTED, UNROUTED_EXCHANGE, user_queue
from tests.integration.dispatcher.gateway import Gateway
from tests.integration.dispatcher.running import Running
from tests.support.load import Bound
from tests.support.until import until

MANY = 1000


async def test_a_burst_for_one_new_user_waits_for_that_user(dispatcher: Running, gateway: Gateway) -> None:
    began = time.monotonic()
    await asyncio.gather(*(gateway.publish("alice", b"%d" % n, message_id=str(n)) for n in range(MANY)))
    published = time.monotonic() - began

    await waiting(gateway, user_queue("alice"), MANY)
    print(f"published in {published:.2f} s, all in their queue after {time.monotonic() - began:.2f} s")

    await gateway.open("alice")
    await until(lambda: len(gateway.ids("alice")) == MANY, "all arrive", 60)
    assert set(gateway.ids("alice")) == {str(n) for n in range(MANY)}


async def test_messages_of_a_publisher_that_waits_for_confirms_stay_in_order(
    dispatcher: Running, gateway: Gateway
) -> None:
    for n in range(50):
        await gateway.publish("alice", b"1", message_id=str(n))
    await gateway.open("alice")
    for n in range(50, 100):
        await gateway.publish("alice", b"1", message_id=str(n))

    await until(lambda: len(gateway.ids("alice")) == 100, "all arrive", 30)
    assert gateway.ids("alice") == [str(n) for n in range(100)]


async def test_a_burst_for_many_new_users_gives_each_a_queue(dispatcher: Running, gateway: Gateway) -> None:
    began = time.monotonic()
    await asyncio.gather(*(gateway.publish(f"user{n}", b"1", message_id=str(n)) for n in range(MANY)))
    published = time.monotonic() - began

    await until(lambda: dispatcher.value("unrouted_moved_total") == MANY, "all are moved", 60)
    print(f"published in {published:.2f} s, all in their queues after {time.monotonic() - began:.2f} s")

    await waiting(gateway, UNROUTED, 0)
    for n in (0, 1, MANY - 1):
        assert await gateway.ready(user_queue(f"user{n}")) == 1


async def test_later_messages_need_no_detour(dispatcher: Running, gateway: Gateway, bound: Bound) -> None:
    await gateway.publish("alice", b"1", message_id="m1")
    await until(lambda: dispatcher.value("unrouted_moved_total") == 1, "the first is moved")
    await bound("alice")
    moved = dispatcher.value("unrouted_moved_total")

    await gateway.publish("alice", b"2", message_id="last")
    await gateway.open("alice")

    await until(lambda: "last" in gateway.ids("alice"), "both arrive")
    assert gateway.ids("alice")[0] == "m1"
    assert dispatcher.value("unrouted_moved_total") == moved


async def test_a_user_is_bound_once_however_often_they_come_but_again_after_their_queue_was_deleted(
    dispatcher: Running, gateway: Gateway, bound: Bound
) -> None:
    await gateway.channel.queue_declare("asked", exclusive=True)
    await gateway.channel.queue_bind("asked", UNROUTED_EXCHANGE)
    await gateway.open("alice")
    await waiting(gateway, "asked", 1)
    await bound("alice")

    await gateway.close("alice")
    await until(lambda: dispatcher.value("users") == 0, "she is released")
    await gateway.open("alice", "again")
    await gateway.publish("alice", b"1", message_id="m1")
    await until(lambda: "m1" in gateway.ids("alice"), "her queue is consumed again")
    assert await gateway.ready("asked") == 1

    await gateway.channel.queue_delete(user_queue("alice"))
    await waiting(gateway, "asked", 2)


async def test_a_queue_that_is_deleted_before_it_is_bound_stays_deleted_until_it_is_needed(
    dispatcher: Running, gateway: Gateway, bound: Bound
) -> None:
    await gateway.publish("alice", b"1", message_id="m1")
    await until(lambda: dispatcher.value("unrouted_moved_total") == 1, "it is moved")
    await gateway.channel.queue_delete(user_queue("alice"))

    for later in ("bob", "carol", "dave"):  # the first is bound after alice would be, the last after another try
        await gateway.publish(later, b"1")
        await bound(later)

    assert await gateway.ready(user_queue("alice")) is None
    await gateway.publish("alice", b"2", message_id="m2")
    await waiting(gateway, user_queue("alice"), 1)


async def test_a_moved_message_keeps_its_properties_and_gets_no_id_of_its_own(
    dispatcher: Running, gateway: Gateway
) -> None:
    publisher = urlsplit(dispatcher.url).username
    await gateway.publish(
        "alice",
        b"1",
        message_id="m1",
        user_id=publisher,
        expiration="60000",
        delivery_mode=1,
        headers={"CC": ["nobody.else"], "from": "bob"},
    )
    await until(lambda: dispatcher.value("unrouted_moved_total") == 1, "it is moved")

    message = await gateway.take(user_queue("alice"))

    assert message is not None
    properties = message.header.properties
    assert (properties.message_id, properties.expiration, properties.delivery_mode) == ("m1", "60000", 2)
    assert not properties.user_id
    assert properties.headers == {"from": "bob", "x-original-cc": ["nobody.else"], "x-original-user-id": publisher}


async def test_bad_user_ids_are_buried_and_nobody_waits_for_them(dispatcher: Running, gateway: Gateway) -> None:
    for bad in ("no user", "", "x" * 129, "sl/ash"):
        await gateway.publish(bad, b"1")
    await gateway.publish("alice", b"1", message_id="m1")

    await until(lambda: dispatcher.value("dead_lettered_total", reason="bad_user") == 4, "four are buried")
    await until(lambda: dispatcher.value("unrouted_moved_total") == 1, "alice's is moved")
    assert await gateway.ready(DEAD_LETTERS) == 4
    assert await gateway.ready(UNROUTED) == 0


async def test_a_message_whose_new_queue_is_full_is_tried_again_and_holds_up_nobody(
    dispatcher: Running, gateway: Gateway
) -> None:
    await gateway.channel.queue_declare(
        user_queue("alice"), durable=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
    )
    await gateway.publish("alice", b"1", message_id="m1")
    await gateway.publish("alice", b"2", message_id="m2")
    await gateway.publish("bob", b"3", message_id="m3")
    await until(lambda: dispatcher.value("unrouted_moved_total") == 2, "alice's first and bob's are moved")

    first = await gateway.take(user_queue("alice"))

    assert first is not None
    assert first.header.properties.message_id == "m1"
    await until(lambda: dispatcher.value("unrouted_moved_total") == 3, "alice's second follows")


async def waiting(gateway: Gateway, queue: str, count: int) -> None:
    """Wait until so many messages are ready in a queue."""
    deadline = time.monotonic() + 60
    while (there := await gateway.ready(queue)) != count:
        assert time.monotonic() < deadline, f"{there} messages in {queue}, not {count}"
        await asyncio.sleep(0.05)


async def test_a_client_cannot_make_queues_without_end_and_nothing_of_it_is_lost(
    dispatcher: Running, gateway: Gateway
) -> None:
    excess = 20
    await asyncio.gather(
        *(
            gateway.publish(f"user{n}", b"1", message_id=f"mallory/{n}", headers={"from": "mallory"})
            for n in range(SENDER_BURST + excess)
        )
    )
    await gateway.publish("alice", b"1", message_id="bob/1", headers={"from": "bob"})
    await gateway.publish("carol", b"1", message_id="m1")

    await until(lambda: dispatcher.value("dead_lettered_total", reason="over_quota") == excess, "the rest are buried")
    await until(lambda: dispatcher.value("unrouted_moved_total") == SENDER_BURST + 2, "the others are moved")
    assert await gateway.ready(DEAD_LETTERS) == excess
    assert await gateway.ready(UNROUTED) == 0
    letter = await gateway.take(DEAD_LETTERS)
    assert letter is not None
    headers = letter.header.properties.headers or {}
    assert (headers["reason"], headers["from"]) == ("over_quota", "mallory")
    assert await gateway.ready(user_queue(str(headers["user"]))) is None


async def test_who_wants_a_receipt_is_told_of_a_message_for_no_user(dispatcher: Running, gateway: Gateway) -> None:
    queue = (await gateway.channel.queue_declare(exclusive=True)).queue or ""
    await gateway.channel.queue_bind(queue, RECEIPTS, "shop")

    await gateway.publish("no user", b"1", message_id="m1", reply_to="shop", correlation_id="7")

    await waiting(gateway, queue, 1)
    receipt = await gateway.take(queue)
    assert receipt is not None
    assert receipt.header.properties.correlation_id == "7"
    assert json.loads(receipt.body)["outcome"] == "rejected"


async def test_a_new_user_is_found_again_after_somebody_deleted_the_queue_of_first_messages(
    dispatcher: Running, gateway: Gateway
) -> None:
    await gateway.channel.queue_delete(UNROUTED)

    deadline = time.monotonic() + 20
    while await gateway.ready(user_queue("alice")) is None:  # what is published before it is bound again is lost
        assert time.monotonic() < deadline, "nothing comes through any more"
        await gateway.publish("alice", b"1")
        await asyncio.sleep(0.05)

    assert await gateway.ready(UNROUTED) is not None


async def test_a_newcomer_whose_queue_stays_full_does_not_keep_all_others_waiting(
    dispatcher: Running, gateway: Gateway, bound: Bound
) -> None:
    more = PREFETCH + 100
    await gateway.channel.queue_declare(
        user_queue("alice"), durable=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
    )

    await asyncio.gather(*(gateway.publish("alice", b"1", message_id=str(n)) for n in range(more)))
    await gateway.publish("bob", b"2")

    await waiting(gateway, user_queue("bob"), 1)
    await waiting(gateway, DEAD_LETTERS, more - 1)
    assert dispatcher.value("dead_lettered_total", reason="queue_full") == more - 1
    await bound("alice")
    with pytest.raises(DeliveryError):  # by the broker itself, which is what the publisher should know
        await gateway.publish("alice", b"3")
