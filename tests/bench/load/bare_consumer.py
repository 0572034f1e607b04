"""`python -m tests.bench.load.bare_consumer`: aiormq as it is, many queues, one ack for each delivery, nothing else.

One line of JSON says what to consume and when to look at the clock; it prints the marks and ends.
"""

import asyncio
import json
import os
import sys
from dataclasses import asdict

import aiormq
import uvloop
from aiormq.abc import DeliveredMessage

from tests.bench.load.tally import Tally


async def main() -> None:
    wanted = json.loads(sys.stdin.readline())
    tally = Tally({**wanted["watched"], "aiormq": os.getpid()}, wanted["marks"])
    done = asyncio.Event()
    connection = await aiormq.connect(wanted["url"])
    channel = await connection.channel()
    await channel.basic_qos(prefetch_count=wanted["window"])

    async def take(message: DeliveredMessage) -> None:
        assert message.delivery_tag is not None
        await channel.basic_ack(message.delivery_tag)
        tally.count += 1
        tally.look()
        if tally.count >= wanted["marks"][-1]:
            done.set()

    for queue in wanted["queues"]:
        await channel.basic_consume(queue, take)
    await done.wait()
    await connection.close()
    print(json.dumps([asdict(mark) for mark in tally.noted]), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
