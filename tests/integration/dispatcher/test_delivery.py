"""What a dispatcher does with a user's queue: order, window, acks, release, and queues that change under it."""

import json

from shared.names import dispatcher_inbox, partition_of, sessions_queue, user_queue
from shared.wire import OutcomeKind
from tests.integration.dispatcher.gateway import Gateway
from tests.integration.dispatcher.running import Running
from tests.support.load import Bound
from tests.support.until import until


async def test_a_message_is_acked_only_after_its_client_confirmed_it(dispatcher: Running, gateway: Gateway) -> None:
    gateway.confirming = False
    await gateway.open("alice")
    await gateway.publish("alice", b'{"n":1}', message_id="m1", message_type="note")

    await until(lambda: gateway.forwards, "the message is forwarded")
    event = json.loads(gateway.forwards[0].event)
    assert event == {
        "id": "m1",
        "data": {"n": 1},
        "type": "note",
        "from": None,
        "timestamp": None,
        "redelivered": False,
    }
    assert dispatcher.value("acked_total") == 0

    await gateway.report(OutcomeKind.CONFIRMED, gateway.forwards)
    await until(lambda: dispatcher.value("acked_total") == 1, "the broker is acked")


async def test_a_backlog_arrives_in_order_in_batches_and_never_more_than_the_window(
    dispatcher: Running, gateway: Gateway, bound: Bound
) -> None:
    gateway.confirming = False
    await gateway.open("alice")
    await bound("alice")
    await gateway.close("alice")
    for number in range(100):
        await gateway.publish("alice", b"1", message_id=str(number))

    await gateway.open("alice")
    for seen in range(32, 101):
        await until(lambda seen=seen: len(gateway.forwards) >= seen, f"{seen} messages forwarded")  # type: ignore[misc]
        assert len(gateway.forwards) == seen
        await gateway.report(OutcomeKind.CONFIRMED, [gateway.forwards[seen - 32]])
    await gateway.report(OutcomeKind.CONFIRMED, gateway.forwards[-31:])

    await until(lambda: dispatcher.value("acked_total") == 100, "all are acked")
    assert gateway.ids("alice") == [str(number) for number in range(100)]
    assert max(gateway.batches) > 2


async def test_unconfirmed_messages_return_to_their_place_when_the_last_session_leaves(
    dispatcher: Running, gateway: Gateway, bound: Bound
) -> None:
    gateway.confirming = False
    await gateway.open("alice")
    await bound("alice")
    for number in range(50):
        await gateway.publish("alice", b"1", message_id=str(number))
    await until(lambda: len(gateway.forwards) >= 32, "a window is forwarded")
    await gateway.report(OutcomeKind.CONFIRMED, [gateway.forwards[3]])
    await until(lambda: dispatcher.value("acked_total") == 1, "one is acked")

    await gateway.close("alice")
    await until(lambda: dispatcher.value("users") == 0, "the user is released")
    gateway.forwards.clear()
    gateway.confirming = True
    await gateway.open("alice", "another session")

    await until(lambda: dispatcher.value("acked_total") == 50, "all are acked")
    assert gateway.ids("alice") == [str(number) for number in range(50) if number != 3]


async def test_a_gateway_that_is_gone_leaves_no_session_behind(
    dispatcher: Running, gateway: Gateway, broker_url: str
) -> None:
    other = await Gateway.join(broker_url)
    await other.open("alice")
    await until(lambda: dispatcher.value("sessions") == 1, "the session is known")

    await other.leave()
    await gateway.publish("alice", b"1", message_id="m1")

    await until(lambda: dispatcher.value("sessions") == 0, "the session is forgotten")
    assert dispatcher.value("batches_returned_total") >= 1
    assert await gateway.ready(sessions_queue(partition_of("alice"))) == 0
    await gateway.open("alice")
    await until(lambda: gateway.ids("alice") == ["m1"], "the message reaches the next session")


async def test_a_queue_that_is_deleted_under_a_connected_user_is_made_anew(
    dispatcher: Running, gateway: Gateway
) -> None:
    await gateway.open("alice")
    await gateway.publish("alice", b"1", message_id="m1")
    await until(lambda: dispatcher.value("acked_total") == 1, "the first is acked")

    await gateway.channel.queue_delete(user_queue("alice"))
    await gateway.publish("alice", b"2", message_id="m2")

    await until(lambda: "m2" in gateway.ids("alice"), "the second arrives")


async def test_a_queue_that_exists_with_other_arguments_is_used_as_it_is(dispatcher: Running, gateway: Gateway) -> None:
    await gateway.channel.queue_declare(user_queue("alice"), durable=True)
    await gateway.open("alice")
    await gateway.open("bob")
    await until(lambda: dispatcher.value("queue_mismatches_total") == 1, "the mismatch is counted")

    await gateway.publish("alice", b"1", message_id="m1")
    await gateway.publish("bob", b"1", message_id="m2")

    await until(lambda: gateway.ids("alice") == ["m1"] and gateway.ids("bob") == ["m2"], "both get their message")


async def test_a_partition_whose_queue_of_leases_is_deleted_works_again(dispatcher: Running, gateway: Gateway) -> None:
    await gateway.channel.queue_delete(sessions_queue(partition_of("alice")))
    await until(lambda: dispatcher.value("partitions_owned") == 63, "the partition is lost")
    await until(lambda: dispatcher.value("partitions_owned") == 64, "the partition is owned again")

    await gateway.open("alice")
    await gateway.publish("alice", b"1", message_id="m1")

    await until(lambda: gateway.ids("alice") == ["m1"], "the message arrives")


async def test_outcomes_that_cannot_be_read_are_counted_and_disturb_nobody(
    dispatcher: Running, gateway: Gateway
) -> None:
    await gateway.open("alice")
    await gateway.publish("alice", b"1", message_id="m1")
    await until(lambda: gateway.forwards, "the message is forwarded")
    assert gateway.reply.startswith(dispatcher_inbox(""))

    await gateway.channel.basic_publish(b"99\n???", exchange="dispatchers", routing_key=gateway.reply)

    await until(lambda: dispatcher.value("unreadable_total") == 1, "it is counted")
    await gateway.publish("alice", b"1", message_id="m2")
    await until(lambda: gateway.ids("alice") == ["m1", "m2"], "delivery goes on")
