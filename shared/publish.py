"""Publishing that tells what became of a message: held by the broker, or why not.

Publications are written in the order of the calls, many of them under way at once. aiormq finds out what was
returned by `message_id` alone, and gives one to a message without (`shared/moved.py` says what that means),
so two with one id are never under way together on a channel.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from aiormq import Channel
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError, PublishError
from pamqp.commands import Basic

from shared.alarm import Alarm
from shared.broker import BrokerAway, cancellations

IN_FLIGHT = 500
"""aiormq looks through all that are unconfirmed at each confirm for several."""

CONFIRM_TIMEOUT_SECONDS = 30.0


_HEADER_FRAME_BYTES = 64
"""What else is in the frame that holds the properties, amply."""


class PublishFailed(Exception):
    """The broker does not hold this message, or does not say so."""


class Returned(PublishFailed):
    """Mandatory, and no queue is bound for it."""


class Nacked(PublishFailed):
    """The broker refused to hold it: a full queue, an internal error."""


class Unanswered(PublishFailed):
    """No confirm in time. The broker may still hold it later."""


class Blocked(PublishFailed):
    """The broker has an alarm (memory, disk). What was written already it may still hold later."""


class Unsendable(PublishFailed):
    """AMQP cannot express these properties; nothing was sent."""


class ConfirmedPublisher:
    """For one channel in confirm mode, which must be used for nothing else. `alarm` is that of its connection."""

    def __init__(
        self,
        channel: AbstractChannel,
        *,
        in_flight: int = IN_FLIGHT,
        timeout_seconds: float = CONFIRM_TIMEOUT_SECONDS,
        alarm: Alarm | None = None,
    ) -> None:
        self._channel = cast("Channel", channel)  # its abstract class lacks `wait`
        self._timeout_seconds = timeout_seconds
        self._alarm = alarm or Alarm()
        self._alarm.listen(self._alarm_changed)
        self._waiting: dict[asyncio.Timeout, bool] = {}  # whether it is patient
        self._line = asyncio.Lock()
        self._free = asyncio.Semaphore(in_flight)
        self._under_way: dict[str, asyncio.Event] = {}

    async def publish(
        self,
        body: bytes,
        properties: Basic.Properties,
        *,
        exchange: str,
        routing_key: str,
        mandatory: bool,
        patient: bool = True,
    ) -> None:
        """Returns once the broker holds the message. Raises `PublishFailed`, or `BrokerAway` when the channel is gone.

        To have many under way, call it from many tasks: they are served in the order in which they start. A
        confirmed message that is not mandatory may have reached no queue. An alarm stops the clock for who is
        patient; for who is not, `Blocked` is raised as soon as there is one.
        """
        before = cancellations()
        message_id = properties.message_id
        if properties.headers and len(_marshalled(properties)) > self._channel.max_content_size - _HEADER_FRAME_BYTES:
            raise Unsendable("the properties do not fit into one frame")  # the broker would end the connection
        done = await self._turn(message_id, patient=patient)
        # From here to aiormq's own queue nothing suspends, so leaving the line does not cost the order.
        try:
            await self._confirmed(
                self._channel.basic_publish(
                    body,
                    exchange=exchange,
                    routing_key=routing_key,
                    properties=properties,
                    mandatory=mandatory,
                    wait=False,
                ),
                patient=patient,
            )
        except PublishError as err:
            raise Returned(f"no queue is bound to {exchange!r} for {routing_key!r}") from err
        except DeliveryError as err:
            raise Nacked(f"the broker refused a message to {exchange!r}") from err
        except asyncio.CancelledError as err:
            if cancellations() > before:
                raise
            raise BrokerAway("the channel was closed") from err  # which is how aiormq puts it
        except (AMQPError, ChannelInvalidStateError, ConnectionError) as err:
            raise BrokerAway(f"while publishing to {exchange!r}: {str(err) or type(err).__name__}") from err
        except (TypeError, ValueError, OverflowError) as err:
            raise Unsendable(str(err)) from err
        finally:
            if message_id:
                del self._under_way[message_id]
                done.set()
            self._free.release()

    async def _turn(self, message_id: str | None, *, patient: bool) -> asyncio.Event:
        """Returns when it may be written, in the order of the calls; what to set once it is no longer under way."""
        async with self._line:
            while message_id and (other := self._under_way.get(message_id)) is not None:
                await other.wait()
            if patient:
                await self._alarm.over()  # rather than fill a socket that nobody reads
            await self._free.acquire()
            if self._alarm.on and not patient:
                self._free.release()
                raise Blocked(f"the broker takes nothing: {self._alarm.reason}")
            done = asyncio.Event()
            if message_id:
                self._under_way[message_id] = done
            return done

    async def _confirmed(self, publishing: Coroutine[Any, Any, object], *, patient: bool) -> None:
        limit = asyncio.timeout(self._timeout_seconds)
        try:
            async with limit:
                self._waiting[limit] = patient
                await publishing
        except TimeoutError as err:
            if limit not in self._waiting:
                raise Blocked("the broker takes nothing more") from err
            raise Unanswered(f"no confirm within {self._timeout_seconds} s") from err
        finally:
            self._waiting.pop(limit, None)

    def _alarm_changed(self) -> None:
        now = asyncio.get_running_loop().time()
        for limit, patient in list(self._waiting.items()):
            if limit.expired():
                continue
            if patient:
                limit.reschedule(None if self._alarm.on else now + self._timeout_seconds)
            elif self._alarm.on:
                del self._waiting[limit]
                limit.reschedule(now)


def _marshalled(properties: Basic.Properties) -> bytes:
    try:
        return properties.marshal()
    except (TypeError, ValueError, OverflowError) as err:
        raise Unsendable(str(err)) from err
