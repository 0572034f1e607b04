"""The few things that nearly every test of the contract does."""

import asyncio
import time

import pytest

from tests.integration.contract.rabbit import Channel, Letter, Rabbit
from tests.simulation.events import ChannelClosed, Confirmed, Delivered

CLASSIC = ["simulated-classic", "classic"]
QUORUM = ["simulated-quorum", "quorum"]
classic_queues = pytest.mark.parametrize("rabbit", CLASSIC, indirect=True)
quorum_queues = pytest.mark.parametrize("rabbit", QUORUM, indirect=True)
QUEUE = "user.alice"


async def channel_of(rabbit: Rabbit, prefetch: int = 0) -> Channel:
    """A channel on a connection of its own."""
    channel = await (await rabbit.connect()).channel()
    await channel.qos(prefetch)
    return channel


async def post(rabbit: Rabbit, *letters: Letter | str, queue: str = QUEUE) -> None:
    """Returns when the broker holds them all."""
    connection = await rabbit.connect()
    channel = await connection.channel()
    for letter in letters:
        await channel.publish("", queue, Letter(letter) if isinstance(letter, str) else letter, mandatory=True)
    for _ in letters:
        assert isinstance(await channel.next(), Confirmed)
    await connection.close()


async def delivered(channel: Channel, count: int) -> list[Delivered]:
    """The next events of the channel, all of which must be deliveries."""
    deliveries = []
    for _ in range(count):
        event = await channel.next()
        assert isinstance(event, Delivered), event
        deliveries.append(event)
    return deliveries


def bodies(deliveries: list[Delivered]) -> list[str]:
    return [delivery.message.body for delivery in deliveries if isinstance(delivery.message, Letter)]


def numbered(start: int, end: int) -> list[str]:
    return [str(number) for number in range(start, end)]


async def closed_with(channel: Channel) -> int:
    """The code with which the broker closes the channel, whatever it says before."""
    while not isinstance(event := await channel.next(), ChannelClosed):
        pass
    return event.code


async def ready_is(rabbit: Rabbit, count: int | None, queue: str = QUEUE) -> None:
    """Waits until so many messages are ready in a queue; None: until there is no such queue."""
    await _until_counted(rabbit, queue, 0, count)


async def consumers_are(rabbit: Rabbit, count: int, queue: str = QUEUE) -> None:
    await _until_counted(rabbit, queue, 1, count)


async def _until_counted(rabbit: Rabbit, queue: str, what: int, count: int | None) -> None:
    deadline = time.monotonic() + 10
    while True:
        found = await rabbit.count(queue)
        if (None if found is None else found[what]) == count:
            return
        assert time.monotonic() < deadline, f"{queue} has (ready, consumers) = {found}, where {count} was expected"
        await asyncio.sleep(0.02)
