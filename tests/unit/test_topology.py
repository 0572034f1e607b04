"""In which order exchanges and queues are made, while publishers may wait for the first of them."""

import asyncio
from types import SimpleNamespace
from typing import cast

from aiormq.abc import AbstractChannel, AbstractConnection

from dispatcher.admin import Admin
from dispatcher.metrics import Metrics
from shared.names import MESSAGES, UNROUTED, UNROUTED_EXCHANGE
from shared.settings import QueueType
from shared.topology import declare_all


class Written:
    """A channel that only remembers what was asked of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    async def exchange_declare(self, exchange: str, **_: object) -> None:
        await asyncio.sleep(0)
        self.calls.append(("exchange", exchange))

    async def queue_declare(self, queue: str, **_: object) -> SimpleNamespace:
        self.calls.append(("queue", queue))
        return SimpleNamespace(consumer_count=0)

    async def close(self) -> None:
        """It costs nothing."""

    async def queue_bind(self, queue: str, exchange: str, _key: str = "") -> None:
        self.calls.append(("bind", queue, exchange))


def test_publishers_find_their_exchange_only_once_no_message_for_a_new_user_can_be_lost() -> None:
    channel = Written()

    asyncio.run(declare_all(cast("AbstractChannel", channel), QueueType.CLASSIC))

    before = channel.calls[: channel.calls.index(("exchange", MESSAGES))]
    assert before == [("exchange", UNROUTED_EXCHANGE), ("queue", UNROUTED), ("bind", UNROUTED, UNROUTED_EXCHANGE)]


async def test_all_who_find_something_missing_at_once_have_it_declared_for_them_together() -> None:
    channel = Written()

    async def opened(**_: object) -> Written:
        return channel

    connection = cast("AbstractConnection", SimpleNamespace(channel=opened))
    admin = Admin(connection, QueueType.CLASSIC, Metrics())

    await asyncio.gather(*(admin.prepare() for _ in range(64)))
    # Once for the first, and once for all who asked while that was under way and may have found more missing.
    assert channel.calls.count(("exchange", MESSAGES)) == 2
    await admin.prepare()
    assert channel.calls.count(("exchange", MESSAGES)) == 3
