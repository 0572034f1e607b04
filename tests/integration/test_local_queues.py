"""How full queues are, for the demo page: as they are now, on any RabbitMQ."""

import asyncio

import aio_pika

from deploy.local.broker import Broker
from deploy.local.queues import Queues

SECONDS = 60.0

Depths = dict[str, dict[str, int]]


async def becomes(queues: Queues, wanted: Depths) -> None:
    deadline = asyncio.get_running_loop().time() + SECONDS
    while (found := await asyncio.to_thread(queues.of, list(wanted))) != wanted:
        assert asyncio.get_running_loop().time() < deadline, f"{found}, not {wanted}"
        await asyncio.sleep(0.1)


async def test_what_waits_and_what_is_in_flight_is_counted_for_those_who_were_asked_for(
    broker: Broker, broker_url: str
) -> None:
    queues = Queues(broker_url, broker.management_url)
    connection = await aio_pika.connect(broker_url)
    async with connection, connection.channel() as channel:
        await channel.set_qos(prefetch_count=1)
        for user in ("alice", "alice.2", "b.o+b", "bxo+b"):
            declared = await channel.declare_queue(f"user.{user}", durable=True)
            for _ in range(3):
                await channel.default_exchange.publish(aio_pika.Message(b"1"), declared.name)
        await (await channel.get_queue("user.b.o+b")).consume(_leave)

        await becomes(
            queues,
            {
                "alice": {"ready": 3, "unacked": 0},
                "b.o+b": {"ready": 2, "unacked": 1},
                "nobody": {"ready": 0, "unacked": 0},
            },
        )


async def _leave(message: aio_pika.abc.AbstractIncomingMessage) -> None:
    """Unconfirmed."""


def test_nothing_is_said_where_rabbitmq_does_not_say() -> None:
    for management_url in ("", "http://guest:guest@127.0.0.1:1/"):
        assert Queues("amqp://127.0.0.1:1/", management_url).of(["alice"]) == {}


def test_what_is_no_user_id_is_not_asked_for(broker: Broker, broker_url: str) -> None:
    assert Queues(broker_url, broker.management_url).of(["no user", "a/b", ".*)|(.*"]) == {}
