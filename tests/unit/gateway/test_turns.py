"""Messages of clients on their way to the broker: who waits for whom."""

import asyncio
from typing import Any

from pamqp.commands import Basic
from pydantic import SecretStr

from gateway.core.sessions import Sessions
from gateway.link import Link
from gateway.metrics import Metrics
from gateway.send import Outgoing
from gateway.settings import GatewaySettings
from gateway.turns import Turns
from shared.publish import ConfirmedPublisher
from tests.support.gateway_core import Recorder
from tests.support.services import SECRET


class Broker:
    """Writes down what it was told in which order, and confirms what it is told to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._confirms: dict[str, asyncio.Event] = {}
        self._turns = Turns()

    def sends(self, name: str, to: str = "bob") -> "asyncio.Task[None]":
        """`name` is `<sender>/<id>`."""
        return asyncio.create_task(self._publish(Outgoing(name.partition("/")[0], to, name, "", b"1", None)))

    def confirms(self, name: str) -> None:
        self._confirms[name].set()

    async def _publish(self, outgoing: Outgoing) -> None:
        async with self._turns.of(outgoing):
            assert outgoing.id not in self._confirms
            self.told.append(outgoing.id)
            confirm = self._confirms[outgoing.id] = asyncio.Event()
            try:
                await confirm.wait()
            finally:
                self._confirms.pop(outgoing.id, None)


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_an_id_is_not_under_way_twice_and_nobody_else_waits_for_that() -> None:
    broker = Broker()
    first, second, other = broker.sends("alice/1"), broker.sends("alice/1"), broker.sends("bob/1")
    await turns()
    assert broker.told == ["alice/1", "bob/1"]

    broker.confirms("alice/1")
    await turns()
    assert broker.told == ["alice/1", "bob/1", "alice/1"]

    broker.confirms("alice/1")
    broker.confirms("bob/1")
    await asyncio.gather(first, second, other)


async def test_what_one_client_sends_keeps_its_order() -> None:
    broker = Broker()
    sent = [broker.sends("alice/1"), broker.sends("alice/1", "carol"), broker.sends("alice/2", "carol")]
    await turns()
    assert broker.told == ["alice/1"]

    broker.confirms("alice/1")
    await turns()
    assert broker.told == ["alice/1", "alice/1", "alice/2"]

    broker.confirms("alice/1")
    broker.confirms("alice/2")
    await asyncio.gather(*sent)


async def test_who_gives_up_holds_up_nobody() -> None:
    broker = Broker()
    first, second, third = (broker.sends("alice/1") for _ in range(3))
    await turns()
    second.cancel()
    first.cancel()
    await turns()
    assert broker.told == ["alice/1", "alice/1"]

    broker.confirms("alice/1")
    await third


async def test_nothing_is_kept_of_those_who_have_sent() -> None:
    broker = Broker()
    sent = [broker.sends(f"user{n}/1") for n in range(10)]
    await turns()
    for n in range(10):
        broker.confirms(f"user{n}/1")
    await asyncio.gather(*sent)

    assert not broker._turns._under_way
    assert not broker._turns._lines


class Channel:
    """The broker holds a message when the test says so."""

    max_content_size = 131_072

    def __init__(self) -> None:
        self.written: list[str] = []
        self.holds = asyncio.Event()

    async def basic_publish(self, _body: bytes, *, properties: Basic.Properties, **_: Any) -> None:
        self.written.append(properties.message_id or "")
        await self.holds.wait()


async def test_a_client_that_repeats_an_id_does_not_keep_others_from_the_broker() -> None:
    settings, channel = GatewaySettings(gateway_jwt_secret=SecretStr(SECRET)), Channel()
    link = Link(settings, Metrics(), Sessions(Recorder(), confirm_timeout=30, limit=0))
    link._sends = ConfirmedPublisher(channel)  # type: ignore[arg-type]
    names = ["alice/1", "alice/1", "bob/1"]
    sent = [asyncio.create_task(link.publish(Outgoing(n.partition("/")[0], "carol", n, "", b"1", None))) for n in names]

    await turns()
    assert channel.written == ["alice/1", "bob/1"]

    channel.holds.set()
    await asyncio.gather(*sent)
    assert channel.written == ["alice/1", "bob/1", "alice/1"]
