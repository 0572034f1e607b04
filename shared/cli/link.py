"""A command's connection to the broker, with the broker's answers turned into one line each."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import aiormq
from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractChannel

from shared.broker import BrokerAway, cancellations, close, connect, lost, wire
from shared.cli.failures import Exit, Failure
from shared.cli.management import Management, Silent
from shared.cli.surroundings import CommandSettings
from shared.publish import ConfirmedPublisher, PublishFailed, Unanswered

CONFIRM_SECONDS = 15.0
"""For a person who waits; a service waits longer."""

CLOSED = "the broker closed the connection, or its channel, in the middle of this: look what is done, and say it again"

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Depth:
    """What the broker tells about a queue without anybody taking a message from it."""

    ready: int
    consumers: int


class Link:
    """One connection; its channels are the broker's own, since a failed question costs one."""

    def __init__(self, connection: AbstractConnection, settings: CommandSettings) -> None:
        self._connection = connection
        self._settings = settings

    @property
    def product(self) -> tuple[str, str]:
        """What the broker calls itself, and its version."""
        told = wire(self._connection).server_properties
        return str(told.get("product", "")), str(told.get("version", ""))

    async def may_publish(self, exchange: str) -> bool:
        """Whether this account may, found out without publishing: RabbitMQ checks it before a transaction ends."""
        channel = await self._channel(publisher_confirms=False)
        try:
            await channel.tx_select()
            await channel.basic_publish(b"", exchange=exchange, routing_key="")
            await channel.tx_rollback()
        except aiormq.exceptions.ChannelAccessRefused:
            return False
        await channel.close()
        return True

    async def has_exchange(self, name: str) -> bool:
        channel = await self.channel()
        try:
            await channel.exchange_declare(name, passive=True)
        except aiormq.exceptions.ChannelNotFoundEntity:
            return False
        except aiormq.exceptions.ChannelAccessRefused:
            return True  # from 4.3 on, who may not make it is not told whether it is there; `doctor` asks elsewhere too
        await channel.close()
        return True

    async def next(self, arrived: asyncio.Queue[_T]) -> _T:
        """What arrives next. Raises `Failure` when the connection ends first."""
        arrival = asyncio.ensure_future(arrived.get())
        end = lost(self._connection)
        either: set[asyncio.Future[Any]] = {arrival, end}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if arrival.done():
            return arrival.result()
        arrival.cancel()
        raise Failure(f"the connection to the broker is gone: {end.result()}", Exit.AWAY)

    async def publisher(self) -> ConfirmedPublisher:
        return ConfirmedPublisher(await self.channel(), timeout_seconds=CONFIRM_SECONDS)

    async def channel(self) -> AbstractChannel:
        return await self._channel(publisher_confirms=True, on_return_raises=True)

    async def _channel(self, **kind: bool) -> AbstractChannel:
        try:
            return await wire(self._connection).channel(**kind)
        except RuntimeError:  # as aiormq puts it
            raise BrokerAway("it was closed meanwhile") from None

    async def depth(self, queue: str) -> Depth | None:
        """None: there is no such queue."""
        channel = await self.channel()
        try:
            answer = await channel.queue_declare(queue, passive=True)
        except aiormq.exceptions.ChannelNotFoundEntity:
            return None
        except aiormq.exceptions.ChannelAccessRefused as err:
            # From 4.2.6 on RabbitMQ answers that only to who has some right on the queue, and none is harmless. The
            # management API tells the same, some seconds old, to who may do nothing but look.
            return await self._depth_told(queue, err)
        await channel.close()
        return Depth(answer.message_count or 0, answer.consumer_count or 0)

    async def _depth_told(self, queue: str, refusal: BaseException) -> Depth | None:
        async with Management(self._settings.management_url, self._settings.virtual_host) as management:
            try:
                told = await management.queue(queue)
            except Silent:
                raise explained(refusal) from refusal
        return Depth(told.get("messages_ready") or 0, told.get("consumers") or 0) if told else None


@asynccontextmanager
async def broker(settings: CommandSettings, command: str) -> AsyncIterator[Link]:
    """Every way in which the broker fails the command becomes a `Failure`."""
    try:
        connection = await connect(settings, f"restante {command}")
    except BrokerAway as err:
        raise Failure(f"no broker: {err}", Exit.AWAY) from err
    before = cancellations()
    try:
        yield Link(connection, settings)
    except asyncio.CancelledError as err:
        if cancellations() > before:
            raise
        raise Failure(CLOSED, Exit.AWAY) from err  # which is how aiormq puts it
    except Unanswered as err:
        raise Failure(f"the broker gives {err} (a memory or disk alarm?)", Exit.AWAY) from err
    except PublishFailed as err:
        raise Failure(str(err)) from err
    except aiormq.exceptions.ChannelInvalidStateError as err:
        raise Failure(CLOSED, Exit.AWAY) from err
    except (aiormq.exceptions.AMQPError, BrokerAway, ConnectionError) as err:
        raise explained(err) from err
    finally:
        await close(connection)


def explained(err: BaseException) -> Failure:
    """In RabbitMQ's own words, `NOT_FOUND - no exchange 'messages' in vhost '/'`, without their code."""
    cause = err.__cause__ if isinstance(err, BrokerAway) and err.__cause__ else err
    said = str(cause).partition(" - ")[2] or str(cause) or type(cause).__name__
    match cause:
        case aiormq.exceptions.ChannelNotFoundEntity():
            return Failure(f"{said}: has a dispatcher ever run on this broker?")
        case aiormq.exceptions.ChannelAccessRefused():
            return Failure(f"the broker does not allow it: {said}")
        case aiormq.exceptions.ChannelPreconditionFailed():
            return Failure(f"the broker does not take it: {said}")
        case _:
            return Failure(f"the connection to the broker is gone: {said}", Exit.AWAY)
