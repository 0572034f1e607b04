"""The life of a message: it waits, reaches a client, and leaves only after that client confirmed it."""

import pytest

from tests.e2e.conftest import ClientKind, Device
from tests.support.client import Mode, Seen
from tests.support.history import History
from tests.support.judge import judge
from tests.support.publisher import Publisher
from tests.support.services import Service
from tests.support.tokens import token


def named(*numbers: int) -> list[str]:
    return [f"m{n}" for n in numbers]


async def test_a_message_for_a_user_who_is_away_waits_and_arrives_once(
    gateway: Service, publisher: Publisher, device: Device, kind: ClientKind, alice: str, history: History
) -> None:
    phone = device("phone", alice, kind)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.consumed(alice, by=1)
    await phone.disconnect()
    await publisher.consumed(alice, by=0)
    await publisher.publish(alice, {"text": "hello"}, id="m1", type="greeting")

    await phone.connect(gateway.url, token(alice))
    await phone.received(["m1"])

    [message] = phone.messages
    assert (message.data, message.type, message.sender, message.timestamp) == (
        {"text": "hello"},
        "greeting",
        None,
        None,
    )
    assert not message.redelivered
    assert judge(history).clean


async def test_messages_arrive_in_order_while_the_client_is_online(
    gateway: Service, publisher: Publisher, device: Device, kind: ClientKind, alice: str, history: History
) -> None:
    phone = device("phone", alice, kind)
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    await publisher.burst(alice, ids := named(*range(200)))
    await phone.received(ids)

    assert phone.ids == ids
    assert [m.data for m in phone.messages] == [{"n": n} for n in range(200)]
    assert judge(history).clean


async def test_a_message_for_a_user_who_never_connected_waits(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    await publisher.publish(alice, "welcome", id="m1")
    await publisher.waits(alice, 1)

    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))

    await phone.received(["m1"])


async def test_a_user_id_may_have_every_character_that_the_contract_allows(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    odd = f"aZ09._:@+|=~-{alice}"
    await publisher.publish(odd, "welcome", id="m1")
    await publisher.waits(odd, 1)

    phone = device("phone", odd)
    await phone.connect(gateway.url, token(odd))

    await phone.received(["m1"])
    await publisher.waits(odd, 0)


async def test_a_thousand_messages_in_a_burst_wait_for_one_new_user(
    gateway: Service, publisher: Publisher, device: Device, alice: str, history: History
) -> None:
    await publisher.burst(alice, ids := named(*range(1000)))
    await publisher.waits(alice, 1000, seconds=30)

    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.received(ids, seconds=30)

    verdict = judge(history)
    assert sorted(phone.ids) == sorted(ids)
    # Order may be lost only at the moment in which the queue is made, and this publisher did not wait for confirms.
    assert not verdict.lost | verdict.unexpected
    assert not verdict.repeated_in_session


async def test_a_publisher_that_waits_for_confirms_keeps_its_order_from_the_second_message_on(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    ids = named(*range(300))
    for message in ids:
        await publisher.publish(alice, None, id=message)
    await publisher.waits(alice, 300, seconds=30)

    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.received(ids)

    assert [m for m in phone.ids if m != "m0"] == ids[1:]


@pytest.mark.slow
async def test_messages_for_a_thousand_new_users_wait_for_each(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    users = [f"{alice}.{n}" for n in range(1000)]
    for user in users:
        await publisher.publish(user, {"for": user}, id="m1")

    for user in users:
        await publisher.waits(user, 1, seconds=60)

    last = device("phone", users[-1])
    await last.connect(gateway.url, token(users[-1]))
    await last.received(["m1"])
    assert last.messages[0].data == {"for": users[-1]}


async def test_an_unconfirmed_message_goes_back_to_its_place_when_its_client_leaves(
    gateway: Service, publisher: Publisher, device: Device, kind: ClientKind, alice: str
) -> None:
    phone = device("phone", alice, kind)
    await phone.mode(Mode.SILENT)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.burst(alice, ids := named(*range(50)))
    await phone.received(ids[:32])

    await phone.vanish()
    await publisher.waits(alice, 50, seconds=20)

    laptop = device("laptop", alice)
    await laptop.connect(gateway.url, token(alice))
    await laptop.received(ids)
    assert laptop.ids == ids
    assert all(m.redelivered for m in laptop.messages[:32])
    assert not any(m.redelivered for m in laptop.messages[32:])


async def test_at_most_the_window_is_unconfirmed_at_once(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    phone = device("phone", alice)
    await phone.mode(Mode.SILENT)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.burst(alice, ids := named(*range(40)))
    await phone.received(ids[:32])

    await phone.confirm("m0")
    await phone.received(["m32"])

    assert phone.ids == ids[:33]


async def test_a_client_with_seen_gets_each_message_once_although_it_left_in_mid_window(
    gateway: Service, publisher: Publisher, device: Device, kind: ClientKind, alice: str, history: History
) -> None:
    phone = device("phone", alice, kind)
    await phone.mode(Mode.SILENT)
    await phone.connect(gateway.url, token(alice), seen=Seen.CONFIRMED)
    await phone.online()
    await publisher.burst(alice, ids := named(*range(60)))
    await phone.received(ids[:32])
    for message in ids[:10]:
        await phone.confirm(message)
    await phone.received(ids[:42])

    await phone.disconnect()
    await phone.mode(Mode.CONFIRM)
    await phone.connect(gateway.url, token(alice), seen=Seen.CONFIRMED)
    await phone.received(ids)

    second = [m.id for m in phone.messages if m.session == phone.sessions[-1]]
    assert second == ids[10:]
    assert judge(history).clean


async def test_seen_confirms_what_the_client_handled_but_could_not_say(
    gateway: Service, publisher: Publisher, device: Device, kind: ClientKind, alice: str
) -> None:
    phone = device("phone", alice, kind)
    await phone.mode(Mode.SILENT)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.burst(alice, ids := named(*range(5)))
    await phone.received(ids)
    await phone.vanish()

    again = device("phone again", alice, kind)
    await again.connect(gateway.url, token(alice), seen=ids[:3])
    await again.received(ids[3:])

    assert again.ids == ids[3:]


async def test_a_client_that_never_sends_seen_loses_nothing(
    gateway: Service, publisher: Publisher, device: Device, kind: ClientKind, alice: str, history: History
) -> None:
    phone = device("phone", alice, kind)
    await phone.mode(Mode.DELAY, delay_seconds=0.02)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.burst(alice, ids := named(*range(100)))
    await phone.received(ids[:40])

    await phone.disconnect()
    await phone.connect(gateway.url, token(alice))
    await phone.received(ids)

    assert judge(history).clean


async def test_each_session_gets_the_message_and_the_first_confirmation_settles_it(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    phone, laptop = device("phone", alice), device("laptop", alice)
    await phone.mode(Mode.SILENT)
    for client in (phone, laptop):
        await client.connect(gateway.url, token(alice))
        await client.online()
    await publisher.burst(alice, ids := named(*range(50)))  # more than the silent one's window

    await laptop.received(ids)
    await phone.received(ids[:32])
    await phone.disconnect()
    await laptop.disconnect()

    await publisher.waits(alice, 0)
    assert laptop.ids == ids


async def test_a_session_that_opens_later_gets_what_is_in_flight(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    phone, laptop = device("phone", alice), device("laptop", alice)
    await phone.mode(Mode.SILENT)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.burst(alice, ids := named(1, 2, 3))
    await phone.received(ids)

    await laptop.connect(gateway.url, token(alice))
    await laptop.received(ids)

    assert laptop.ids == ids


async def test_a_callback_of_an_earlier_connection_confirms_nothing_in_the_next(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    # The stock client sends such a late answer over its new connection, with the number it had in the old one.
    phone = device("phone", alice)
    await phone.mode(Mode.SILENT)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    await publisher.burst(alice, named(1, 2, 3))
    await phone.received(named(1, 2, 3))
    await phone.confirm("m1")
    await phone.disconnect()
    await phone.connect(gateway.url, token(alice))
    await phone.times("m3", 2)

    for message in named(2, 3):
        await phone.confirm(message, try_number=0)
    await phone.send(alice, None)  # answered after all that came before it
    await phone.disconnect()

    await publisher.waits(alice, 2)


async def test_a_message_with_a_time_to_live_is_gone_when_its_user_comes_too_late(
    gateway: Service, publisher: Publisher, device: Device, alice: str
) -> None:
    await publisher.publish(alice, "for a moment", id="m1", expiration=0.3)
    await publisher.waits(alice, 1)  # moved to its queue, because the user is new
    await publisher.waits(alice, 0)

    await publisher.publish(alice, "for an hour", id="m2", expiration=3600)
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await phone.received(["m2"])

    assert phone.ids == ["m2"]
