"""Declaring the queues of users, where the broker may say no."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from aiormq.abc import AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed

from dispatcher import admin
from dispatcher.admin import Admin
from dispatcher.metrics import Metrics
from shared.settings import QueueType
from tests.support.until import until


class Broker:
    """Connection and channel in one. `refuses` what is declared, by a failed precondition; `queues` are there."""

    def __init__(self, *, refuses: bool, queues: set[str]) -> None:
        self.refuses = refuses
        self.queues = queues
        self.refused = 0

    async def channel(self, *, publisher_confirms: bool) -> "Broker":
        return self

    async def close(self) -> None:
        pass

    async def queue_declare(self, queue: str, *, passive: bool = False, **_: object) -> None:
        if passive:
            if queue not in self.queues:
                raise ChannelNotFoundEntity(f"no queue {queue!r}")
        elif self.refuses:
            self.refused += 1
            raise ChannelPreconditionFailed("no")
        else:
            self.queues.add(queue)

    def __getattr__(self, _name: str) -> Callable[..., Coroutine[Any, Any, None]]:
        async def done(*_: object, **__: object) -> None:
            pass

        return done


async def _declare(broker: Broker, then: Callable[[list[str]], Coroutine[Any, Any, None]]) -> float:
    """Gives `then` the users whose queue is said to be there. Returns how many queues had other arguments."""
    metrics, there = Metrics(), list[str]()
    declaring = Admin(cast("AbstractConnection", broker), QueueType.CLASSIC, metrics)
    declaring.declare("alice", there.append)
    working = asyncio.create_task(declaring.work())
    try:
        await then(there)
    finally:
        working.cancel()
        await asyncio.wait({working})
    mismatches = metrics.registry.get_sample_value("restante_queue_mismatches_total")
    assert mismatches is not None
    return mismatches


async def test_a_queue_that_exists_with_other_arguments_is_used_as_it_is() -> None:
    broker = Broker(refuses=True, queues={"user.alice"})

    async def then(there: list[str]) -> None:
        await until(lambda: there == ["alice"], "the queue is said to be there")

    assert await _declare(broker, then) == 1


async def test_a_queue_that_the_broker_has_no_room_for_is_not_there_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admin, "RETRY_SECONDS", 0.01)
    broker = Broker(refuses=True, queues=set())  # RabbitMQ: "queue limit in vhost '/' (1000) is reached"

    async def then(there: list[str]) -> None:
        await until(lambda: there or broker.refused == 3, "it is tried again and again")
        assert there == []  # it would be consumed, and the channel of all users of the partition closed for that
        broker.refuses = False
        await until(lambda: there == ["alice"], "it is made once there is room")

    assert await _declare(broker, then) == 0
