"""A disk that is full to the last byte under the broker, with its alarm before that, and without any."""

import asyncio
from random import Random

import aio_pika

from tests.chaos.disk import SmallDisk
from tests.chaos.mishaps import Break
from tests.chaos.stage import Stage
from tests.support.publisher import LOST, Publisher
from tests.support.rabbitmqctl import rabbitmqctl

LEFT_BYTES = 30_000_000
"""Less than RabbitMQ's usual limit of 50 MB."""

_STEP_SECONDS = 0.2
_WELL_SECONDS = 20.0
_PROBE = "chaos.probe"


async def disk_full_behind_its_alarm(stage: Stage, random: Random) -> None:
    """The limit is as usual: RabbitMQ takes no more in time, and then somebody else fills what is left."""
    async with stage.broker_busy:
        disk = _disk(stage)
        try:
            await asyncio.to_thread(disk.fill, LEFT_BYTES)
            await asyncio.sleep(random.uniform(3.0, 6.0))  # it looks the more often the less is left
            await _full(disk, random.uniform(2.0, 6.0))
        finally:
            disk.empty()
        await _well_again(stage)


async def disk_full_without_alarm(stage: Stage, random: Random) -> None:
    """The limit was set to nothing: RabbitMQ goes on taking messages until there is no room for them."""
    async with stage.broker_busy:
        disk = _disk(stage)
        await asyncio.to_thread(rabbitmqctl, stage.broker, "set_disk_free_limit", "0")
        try:
            await _full(disk, random.uniform(2.0, 6.0))
        finally:
            disk.empty()
        await _well_again(stage)
        await asyncio.to_thread(rabbitmqctl, stage.broker, "set_disk_free_limit", "50MB")


FULL_DISK: list[Break] = [disk_full_behind_its_alarm, disk_full_without_alarm]


async def _full(disk: SmallDisk, seconds: float) -> None:
    for _ in range(int(seconds / _STEP_SECONDS)):
        await asyncio.to_thread(disk.fill)
        await asyncio.sleep(_STEP_SECONDS)


async def _well_again(stage: Stage) -> None:
    """Started again if it died of it, or if it lives and takes nothing more, as an operator would."""
    deadline = stage.timeline.now + _WELL_SECONDS
    while stage.broker.running() and stage.timeline.now < deadline:
        if await _takes_messages(stage):
            return
        await asyncio.sleep(_STEP_SECONDS)
    lives = stage.broker.running()
    stage.remarks.append("the broker took nothing more" if lives else "the broker died of its full disk")
    await asyncio.to_thread(stage.broker.kill)
    await asyncio.to_thread(stage.broker.start)


async def _takes_messages(stage: Stage) -> bool:
    try:
        async with asyncio.timeout(5), Publisher(stage.url) as operator:
            assert operator._channel is not None
            await operator._channel.declare_queue(_PROBE, durable=True)
            probe = aio_pika.Message(b"{}", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await operator._channel.default_exchange.publish(probe, routing_key=_PROBE)
            await operator._channel.queue_delete(_PROBE)
    except LOST:
        return False
    return True


def _disk(stage: Stage) -> SmallDisk:
    assert stage.disk is not None, "this kind needs a disk of its own"
    return stage.disk
