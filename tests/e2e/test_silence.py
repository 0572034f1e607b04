"""Clients that answer pings and confirm nothing must not block their users for ever."""

from tests.e2e.conftest import Device
from tests.support.client import Mode
from tests.support.publisher import Publisher
from tests.support.services import Services
from tests.support.tokens import token

IMPATIENT = {
    "GATEWAY_PING_INTERVAL_SECONDS": "1",
    "GATEWAY_PING_TIMEOUT_SECONDS": "1",
    "GATEWAY_CONFIRM_TIMEOUT_SECONDS": "3",
    "DISPATCHER_MAX_ATTEMPTS": "2",
}


async def test_a_client_that_never_confirms_is_cut_and_the_message_is_dead_lettered_in_the_end(
    services: Services, publisher: Publisher, device: Device, alice: str
) -> None:
    gateway, _ = await services.pair(**IMPATIENT)
    receipts = await publisher.bind_receipts("shop")
    phone = device("phone", alice)
    await phone.mode(Mode.SILENT)
    await phone.connect(gateway.url, token(alice))
    await phone.online()

    await publisher.publish(alice, "poison", id="m1", reply_to="shop", correlation_id="c1")
    await phone.online(sessions=2)  # came back by itself
    await phone.times("m1", 2)
    [letter] = await publisher.dead_letters(alice)

    assert phone.disconnects[0] == "transport close"
    assert (letter["reason"], letter["attempts"], letter["body"]) == ("unconfirmed", 2, b'"poison"')
    _, receipt = await receipts.get()
    assert (receipt["outcome"], receipt["attempts"]) == ("unconfirmed", 2)

    await phone.mode(Mode.CONFIRM)
    await publisher.publish(alice, "next", id="m2")
    await phone.received(["m2"])


async def test_a_slow_client_that_works_through_its_window_is_not_cut(
    services: Services, publisher: Publisher, device: Device, alice: str
) -> None:
    gateway, _ = await services.pair(**IMPATIENT)
    phone = device("phone", alice)
    await phone.mode(Mode.SILENT)
    await phone.connect(gateway.url, token(alice))
    await phone.online()
    ids = [f"m{n}" for n in range(5)]
    await publisher.burst(alice, ids)
    await phone.received(ids)

    # All five wait longer than the timeout in sum, none of them does alone.
    for message in ids:
        await phone.mode(Mode.DELAY, delay_seconds=1.0)
        await publisher.publish(alice, "clock", id=f"tick {message}")
        await phone.received([f"tick {message}"])
        await phone.confirm(message)

    assert not phone.disconnects
