"""Publishing that tells what became of a message: held by the broker, or why not.

Publications are written in the order of the calls, many of them under way at once: past the library where the
connection is sifted (`shared/posting.py`), else by way of aiormq; it makes no difference to anybody else. What was
returned is found out by `message_id` alone, so a message without is given one (`shared/moved.py` says what that
means), and two with one id are never under way together on a channel.
"""

import asyncio
import re
import secrets
from dataclasses import dataclass
from typing import cast

from aiormq import Channel
from aiormq.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError, PublishError
from pamqp.commands import Basic

from shared.alarm import Alarm
from shared.broker import BrokerAway, cancellations, socket_of
from shared.confirms import Fate, Told
from shared.posting import Posting
from shared.publication import marshalled

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


class TooLarge(BrokerAway):
    """The body is larger than the broker's `max_message_size`, in bytes, and the broker has closed the channel."""

    def __init__(self, reason: str, most_bytes: int) -> None:
        super().__init__(reason)
        self.most_bytes = most_bytes


_too_large = re.compile(r"message size \d+ is larger than (?:configured )?max size (\d+)").search
"""As RabbitMQ 3.8 to 4.x puts it, with and without the setting."""


@dataclass(slots=True, eq=False)
class _UnderWay:
    told: Told
    deadline: float
    patient: bool
    given_up: PublishFailed | None = None

    def give_up(self, why: PublishFailed) -> None:
        self.given_up = why
        self.told.cancel()


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
        self._in_flight = in_flight
        self._timeout_seconds = timeout_seconds
        self._alarm = alarm or Alarm()
        self._alarm.listen(self._alarm_changed)
        self._under_way: dict[str, _UnderWay] = {}  # by message_id, those whose time is up first first
        self._clock: asyncio.TimerHandle | None = None
        self._line = asyncio.Lock()
        self._in_line = 0
        self._moved = asyncio.Event()  # for the first in the line
        socket = socket_of(channel)
        self._posting = Posting(self._channel, *socket, self._moved.set) if socket else None

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
        message_id = properties.message_id = properties.message_id or secrets.token_hex(16)
        this: _UnderWay | None = None
        try:
            packed = marshalled(properties)
            if len(packed) > self._channel.max_content_size - _HEADER_FRAME_BYTES:  # it would end the connection
                raise Unsendable("the properties do not fit into one frame")
            if self._in_line or not self._may_go(message_id):
                await self._turn(message_id, patient=patient)
            # From here until it is under way nothing suspends, so leaving the line does not cost the order.
            if self._posting is not None:
                told = self._posting.post(
                    body, message_id, packed, exchange=exchange, routing_key=routing_key, mandatory=mandatory
                )
            else:
                told = asyncio.ensure_future(
                    self._by_the_library(body, properties, exchange, routing_key, mandatory=mandatory)
                )
            this = self._watched(told, patient=patient)
            self._under_way[message_id] = this
            fate = await told
        except asyncio.CancelledError as err:
            if cancellations() > before:
                raise
            if this is not None and this.given_up is not None:
                raise this.given_up from err
            raise _away(exchange, "the channel was closed") from err  # which is how aiormq puts it
        except (AMQPError, ChannelInvalidStateError, ConnectionError, BrokerAway) as err:
            raise _away(exchange, str(err) or type(err).__name__) from err
        except (TypeError, ValueError, OverflowError) as err:
            raise Unsendable(str(err)) from err
        finally:
            if this is not None and self._under_way.get(message_id) is this:
                del self._under_way[message_id]
            self._moved.set()
        match fate:
            case Fate.RETURNED:
                raise Returned(f"no queue is bound to {exchange!r} for {routing_key!r}")
            case Fate.REFUSED:
                raise Nacked(f"the broker refused a message to {exchange!r}")
            case Fate.HELD:
                pass

    async def _by_the_library(
        self, body: bytes, properties: Basic.Properties, exchange: str, routing_key: str, *, mandatory: bool
    ) -> Fate:
        try:
            await self._channel.basic_publish(
                body, exchange=exchange, routing_key=routing_key, properties=properties, mandatory=mandatory, wait=False
            )
        except PublishError:
            return Fate.RETURNED
        except DeliveryError:
            return Fate.REFUSED
        return Fate.HELD

    def _may_go(self, message_id: str) -> bool:
        return not (
            self._alarm.on  # rather than fill a socket that nobody reads
            or message_id in self._under_way
            or len(self._under_way) >= self._in_flight
            or (self._posting is not None and self._posting.full)
        )

    async def _turn(self, message_id: str, *, patient: bool) -> None:
        """Returns when it may be written, in the order of the calls."""
        self._in_line += 1
        try:
            async with self._line:
                while not self._may_go(message_id):
                    if self._alarm.on and not patient:
                        raise Blocked(f"the broker takes nothing: {self._alarm.reason}")
                    self._moved.clear()
                    await self._moved.wait()
        finally:
            self._in_line -= 1

    def _watched(self, told: Told, *, patient: bool) -> _UnderWay:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_seconds
        if self._clock is None:
            self._clock = loop.call_at(deadline, self._look)
        return _UnderWay(told, deadline, patient)

    def _look(self) -> None:
        """Gives up whose time is up. During an alarm it is nobody's: the clock is stopped."""
        self._clock = None
        loop = asyncio.get_running_loop()
        for message_id, this in list(self._under_way.items()):
            if self._alarm.on:
                return
            if this.deadline > loop.time():
                self._clock = loop.call_at(this.deadline, self._look)
                return
            del self._under_way[message_id]
            this.give_up(Unanswered(f"no confirm within {self._timeout_seconds} s"))

    def _alarm_changed(self) -> None:
        self._moved.set()
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        for message_id, this in list(self._under_way.items()):
            this.deadline = deadline
            if self._alarm.on and not this.patient:
                del self._under_way[message_id]
                this.give_up(Blocked("the broker takes nothing more"))
        if self._clock is None:
            self._look()


def _away(exchange: str, reason: str) -> BrokerAway:
    text = f"while publishing to {exchange!r}: {reason}"
    refused = _too_large(reason)
    return TooLarge(text, int(refused[1])) if refused else BrokerAway(text)
