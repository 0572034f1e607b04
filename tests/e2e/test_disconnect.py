"""An operator ends all sessions of a user: `restante disconnect`, with the stock client on both gateways."""

import asyncio

from tests.e2e.conftest import ClientKind, Device
from tests.support.command import Said, typed
from tests.support.publisher import Publisher
from tests.support.services import Services
from tests.support.tokens import token
from tests.support.until import until


async def disconnect(services: Services, user: str, *words: str) -> Said:
    return await asyncio.to_thread(typed, "disconnect", user, "--json", *words, BROKER_URL=services.broker_url)


async def test_a_disconnected_user_stays_away_everywhere_until_the_application_connects_again(
    services: Services, publisher: Publisher, device: Device, kind: ClientKind, alice: str, bob: str
) -> None:
    one, dispatcher = await services.pair()
    other = services.gateway()
    await other.ready()
    phone, tablet, neighbour = device("phone", alice, kind), device("tablet", alice, kind), device("phone", bob, kind)
    for client, gateway, user in ((phone, one, alice), (tablet, other, alice), (neighbour, one, bob)):
        await client.connect(gateway.url, token(user))
        await client.online()
    async with asyncio.timeout(30):
        while await dispatcher.metric("restante_sessions") < 3:  # it may hear of them after they are online
            pass
    await publisher.consumed(alice, by=1)  # and serve her after it has heard of them

    said = await disconnect(services, alice)

    assert (said.code, said.lines) == (0, [{"user": alice, "served": True}])
    await until(lambda: not phone.connected and not tablet.connected, "both away")
    reason = "io server disconnect" if kind.__name__ == "NodeClient" else "server disconnect"
    assert (phone.disconnects, tablet.disconnects) == ([reason], [reason])
    assert (phone.replaced, len(phone.sessions), len(tablet.sessions)) == (0, 1, 1)
    assert neighbour.connected

    await publisher.publish(alice, {"n": 1}, id="m1")
    assert phone.ids == tablet.ids == []
    await phone.connect(one.url, token(alice))
    await phone.received(["m1"])


async def test_disconnecting_a_user_who_is_away_says_so(services: Services, alice: str) -> None:
    await services.pair()

    said = await disconnect(services, alice)

    assert (said.code, said.lines) == (0, [{"user": alice, "served": False}])


async def test_nobody_can_be_disconnected_while_no_dispatcher_runs(services: Services, alice: str) -> None:
    said = await disconnect(services, alice)
    assert said.code == 1
    assert "has a dispatcher ever run" in said.err

    dispatcher = services.dispatcher()
    await dispatcher.ready()
    dispatcher.terminate()
    await dispatcher.ended()
    said = await disconnect(services, alice)

    assert said.code == 1
    assert "no dispatcher runs" in said.err


async def test_a_user_whose_gateway_hangs_is_said_to_be_served_still(
    services: Services, device: Device, publisher: Publisher, alice: str
) -> None:
    gateway, _ = await services.pair()
    phone = device("phone", alice)
    await phone.connect(gateway.url, token(alice))
    await publisher.publish(alice, {"n": 1}, id="m1")
    await phone.received(["m1"])  # only now is the queue consumed for sure
    gateway.pause()

    said = await disconnect(services, alice, "--wait", "1s")

    assert said.code == 1
    assert "still serves" in said.err
