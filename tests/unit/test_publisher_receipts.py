"""The queue of receipts of shared/publisher: what ends it, and what does not end more than it."""

import asyncio
from typing import Any, cast

import pytest
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused

from shared.broker import Backoff, BrokerAway
from shared.publish import ConfirmedPublisher
from shared.publisher.publisher import Publisher, _Link
from shared.publisher.receipts import Receipts


class Channel:
    """As much of aiormq's as receipts need. Nothing ever comes by it."""

    def __init__(self) -> None:
        self.on_consumer_cancel_callbacks: set[Any] = set()
        self.closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def queue_declare(self, *_: object, **__: object) -> None: ...
    async def queue_bind(self, *_: object) -> None: ...
    async def basic_qos(self, **_: object) -> None: ...
    async def basic_consume(self, *_: object) -> None: ...


@pytest.mark.parametrize("end", ["the queue is deleted", "the channel is closed"])
async def test_who_waits_for_receipts_hears_that_none_will_come(end: str) -> None:
    channel, began = Channel(), asyncio.Event()
    receipts = Receipts(None, None)
    consuming = asyncio.create_task(receipts.consume(cast("AbstractChannel", channel), began.set))
    await began.wait()

    if end == "the queue is deleted":
        for cancelled in channel.on_consumer_cancel_callbacks:
            cancelled(None)
    else:
        channel.closing.set_result(None)

    with pytest.raises(BrokerAway):
        await asyncio.wait_for(consuming, 5)


class Connection:
    """To a broker where this account may not declare a queue, until it may."""

    def __init__(self) -> None:
        self.refuses = True
        self.asked = 0

    async def channel(self, **_: object) -> Channel:
        self.asked += 1
        channel = Channel()
        if self.refuses:
            channel.queue_declare = self._refused  # type: ignore[method-assign]
        return channel

    async def _refused(self, *_: object, **__: object) -> None:
        raise ChannelAccessRefused("access to queue 'receipts.x' refused")


async def test_a_broker_that_refuses_receipts_is_asked_again_and_the_connection_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Backoff, "next_seconds", lambda _: 0.0)
    connection, publisher = Connection(), Publisher("amqp://127.0.0.1:1/")
    link = _Link(ConfirmedPublisher(cast("AbstractChannel", None)), asyncio.Event())
    publisher._wanted.set()

    listening = asyncio.create_task(publisher._listen(cast("AbstractConnection", connection), link))
    for _ in range(50):
        await asyncio.sleep(0)
    assert connection.asked > 1
    assert not listening.done()

    connection.refuses = False
    await asyncio.wait_for(link.listening.wait(), 5)
    listening.cancel()
    await asyncio.wait({listening})
