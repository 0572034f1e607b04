"""What an operator does for which the broker closes a service's channel with an error."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed
from aiormq.abc import ArgumentsType

from shared.names import user_queue
from tests.chaos.mishaps import WINDOW, Break
from tests.chaos.stage import VHOST, Stage
from tests.support.history import Attempted, Removed
from tests.support.publisher import LOST, Publisher
from tests.support.services import Services

CODES = ("ACCESS_REFUSED", "NOT_FOUND", "PRECONDITION_FAILED", "RESOURCE_LOCKED")
"""How RabbitMQ begins what it says when it closes a channel with an error; the services' logs repeat it."""

_EVERYTHING = ".*"
_NOTHING = "^$"
_OTHER_ARGUMENTS: ArgumentsType = {
    "x-single-active-consumer": True,
    "x-max-length": 1_000_000,
    "x-overflow": "reject-publish",
}
_TRIES = 20
_AGAIN_SECONDS = 6.0
_MOST_SECONDS = 30.0
_RETRY_SECONDS = 0.5


async def queue_made_otherwise_by_the_operator(stage: Stage, random: Random) -> None:
    """From then on each declaration by a dispatcher is an error (406): it is to use the queue as it is."""
    queue = user_queue(user := random.choice(stage.devices).user)

    async def make(channel: AbstractChannel) -> None:
        for _ in range(_TRIES):
            await channel.queue_delete(queue)
            try:
                await channel.declare_queue(queue, durable=True, arguments=_OTHER_ARGUMENTS)
            except ChannelPreconditionFailed:  # the dispatcher was quicker
                await channel.reopen()
            else:
                return

    await _removing(stage, user, make)


async def queue_deleted_again_and_again_by_the_operator(stage: Stage, random: Random) -> None:
    """For some seconds, or until it hit the moment between a declaration and the consuming: an error (404)."""
    queue = user_queue(user := random.choice(stage.devices).user)
    services = stage.services
    before = closed_with_an_error(services, "NOT_FOUND")
    until = stage.timeline.now + _AGAIN_SECONDS

    async def delete(channel: AbstractChannel) -> None:
        while stage.timeline.now < until and closed_with_an_error(services, "NOT_FOUND") == before:
            await channel.queue_delete(queue)
            await asyncio.sleep(random.uniform(0.0, 0.01))

    await _removing(stage, user, delete)


async def right_to_read_taken_by_the_operator(stage: Stage, random: Random) -> None:
    """Who consumes goes on; who begins to, because clients come back meanwhile, is told so by an error (403)."""
    async with stage.broker_busy:
        await _may_read(stage, _NOTHING)
        try:
            await stage.balancer.cut()
            await asyncio.sleep(random.uniform(2.0, 5.0))
        finally:
            await _may_read(stage, _EVERYTHING)


CHANNEL_ERRORS: list[Break] = [
    queue_made_otherwise_by_the_operator,
    queue_deleted_again_and_again_by_the_operator,
    right_to_read_taken_by_the_operator,
]


def closed_with_an_error(services: Services, *codes: str) -> int:
    """How many lines of their logs tell of a channel that the broker closed with one of these, or with any."""
    logs = [service.log.read_text(errors="replace") for service in services.running]
    return sum(any(code in line for code in codes or CODES) for log in logs for line in log.splitlines())


async def _removing(stage: Stage, user: str, act: Callable[[AbstractChannel], Awaitable[None]]) -> None:
    """An operator deletes the user's queue. All that may have gone with it is noted: what was under way meanwhile."""
    async with stage.broker_busy:
        first, there = len(stage.timeline), 1_000_000  # unless we learn how many
        try:
            async with asyncio.timeout(_MOST_SECONDS), Publisher(stage.url) as operator:
                assert operator._channel is not None
                there = await operator.waiting(user_queue(user)) or 0
                await act(operator._channel)
        except LOST:
            pass  # the broker went away: that ends it
        finally:
            came = sum(isinstance(h, Attempted) and h.user == user for h in stage.timeline[first:])
            stage.timeline.append(Removed(user, there + came + WINDOW))


async def _may_read(stage: Stage, what: str) -> None:
    rights = {"configure": _EVERYTHING, "write": _EVERYTHING, "read": what}
    deadline = stage.timeline.now + _MOST_SECONDS
    while True:
        try:
            await stage.manage("PUT", f"/api/permissions/{VHOST}/guest", rights)
        except OSError:
            if stage.timeline.now > deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return
