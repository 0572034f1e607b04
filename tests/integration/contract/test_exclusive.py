"""An exclusive queue is its connection's own and goes with it: a gateway's inbox."""

import time
from collections.abc import Awaitable, Callable

import pytest

from tests.integration.contract.rabbit import Connection, Letter, Rabbit
from tests.integration.contract.steps import channel_of, closed_with, delivered
from tests.simulation.events import Confirmed, Returned

INBOX = "gateway.1"


async def close(connection: Connection) -> None:
    await connection.close()


async def cut(connection: Connection) -> None:
    await connection.cut()


@pytest.mark.parametrize("end", [close, cut])
async def test_an_inbox_vanishes_with_its_connection_and_what_is_sent_there_comes_back(
    rabbit: Rabbit, end: Callable[[Connection], Awaitable[None]]
) -> None:
    connection = await rabbit.connect()
    gateway, dispatcher = await connection.channel(), await channel_of(rabbit)
    await dispatcher.declare_exchange("gateways", "direct")
    await gateway.declare_queue(INBOX, exclusive=True)
    await gateway.bind(INBOX, "gateways", INBOX)
    await gateway.consume(INBOX, "inbox", no_ack=True)
    token = await dispatcher.publish("gateways", INBOX, Letter("batch", persistent=False), mandatory=True)
    assert await dispatcher.next() == Confirmed(token)
    await delivered(gateway, 1)

    await end(connection)

    deadline = time.monotonic() + 10
    said: list[object] = []
    while not any(isinstance(event, Returned) for event in said):
        assert time.monotonic() < deadline, "the inbox is still there"
        token = await dispatcher.publish("gateways", INBOX, Letter("batch", persistent=False), mandatory=True)
        said = [await dispatcher.next()]
        if said != [Confirmed(token)]:
            said.append(await dispatcher.next())
    assert said == [Returned(token, "gateways", INBOX, Letter("batch", persistent=False)), Confirmed(token)]


async def test_nobody_else_may_declare_an_exclusive_queue(rabbit: Rabbit) -> None:
    owner, other = await channel_of(rabbit), await channel_of(rabbit)
    await owner.declare_queue(INBOX, exclusive=True)

    assert await other.declare_queue(INBOX, exclusive=True) is None

    assert await closed_with(other) == 405
    assert await owner.declare_queue(INBOX, exclusive=True) == (0, 0)


async def test_nobody_else_may_consume_an_exclusive_queue(rabbit: Rabbit) -> None:
    owner, other = await channel_of(rabbit), await channel_of(rabbit)
    await owner.declare_queue(INBOX, exclusive=True)

    await other.consume(INBOX, "thief")

    assert await closed_with(other) == 405


async def test_a_durable_queue_cannot_be_made_exclusive(rabbit: Rabbit) -> None:
    first, second = await channel_of(rabbit), await channel_of(rabbit)
    await first.declare_queue("user.alice")

    assert await second.declare_queue("user.alice", exclusive=True) is None

    assert await closed_with(second) in {405, 406}


async def test_an_exclusive_queue_outlives_the_channel_that_declared_it(rabbit: Rabbit) -> None:
    connection = await rabbit.connect()
    first = await connection.channel()
    await first.declare_queue(INBOX, exclusive=True)
    await first.close()

    second = await connection.channel()

    assert await second.declare_queue(INBOX, exclusive=True) == (0, 0)
