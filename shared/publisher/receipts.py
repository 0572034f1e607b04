"""Receipts: what became of a message, told once it is settled, which may be days later."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from aiormq.abc import AbstractChannel, ArgumentsType, DeliveredMessage

from shared.broker import Backoff, BrokerAway
from shared.message import Verdict
from shared.names import RECEIPTS

OWN_QUEUE_MS = 600_000
"""How long an unnamed queue outlives its connection."""

PREFETCH = 100

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """`id` is the message's; `value` what the client confirmed with; `detail` why it was not confirmed.

    `outcome` is an `Outcome`; `REJECTED`: it could not be delivered at all.
    """

    id: str
    user: str
    outcome: Verdict
    value: Any
    detail: str
    attempts: int
    settled_at: datetime


OnReceipt = Callable[[Receipt], Awaitable[None]]


class Receipts:
    """The queue of receipts, the calls that wait for one, and who gets those that nobody waits for."""

    def __init__(self, name: str | None, on_receipt: OnReceipt | None) -> None:
        self._name = name
        self._on_receipt = on_receipt
        self.key = f"receipts.{name or secrets.token_hex(16)}"
        """The queue's name, and the `reply_to` of whoever wants a receipt."""
        self._waiting: dict[str, asyncio.Future[Receipt]] = {}

    def expect(self) -> "tuple[str, asyncio.Future[Receipt]]":
        """The `correlation_id` to send, and what it will be answered with. See `forget`."""
        correlation = secrets.token_hex(16)
        future = self._waiting[correlation] = asyncio.get_running_loop().create_future()
        return correlation, future

    def forget(self, correlation: str) -> None:
        self._waiting.pop(correlation, None)

    def end(self, error: Exception) -> None:
        """Nobody need wait any longer."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever gave up need not hear of it

    async def consume(self, channel: AbstractChannel, began: Callable[[], None]) -> None:
        """Until cancelled, over a channel of its own. Raises aiormq's errors, or `BrokerAway` when it is over."""
        arguments: ArgumentsType = {} if self._name is not None else {"x-expires": OWN_QUEUE_MS}
        await channel.queue_declare(self.key, durable=True, arguments=arguments)
        await channel.queue_bind(self.key, RECEIPTS, self.key)
        await channel.basic_qos(prefetch_count=PREFETCH)
        came: asyncio.Queue[DeliveredMessage | None] = asyncio.Queue()

        async def note(message: DeliveredMessage) -> None:
            came.put_nowait(message)

        def note_end(_: object) -> None:
            came.put_nowait(None)

        # Of a queue that was deleted, or whose node is gone, the broker says no more than this.
        channel.on_consumer_cancel_callbacks.add(note_end)
        channel.closing.add_done_callback(note_end)
        await channel.basic_consume(self.key, note)
        began()
        while (message := await came.get()) is not None:
            await self._take(channel, message)
        raise BrokerAway("the queue of receipts was deleted, or its channel closed")

    async def _take(self, channel: AbstractChannel, message: DeliveredMessage) -> None:
        """Acked once it was taken; a publisher that dies before gets it again."""
        receipt = _read(message.body)
        future = self._waiting.get(message.header.properties.correlation_id or "")
        if receipt is None:
            _log.warning("a receipt that cannot be read was dropped")
        elif future is not None:
            with contextlib.suppress(asyncio.InvalidStateError):  # it came twice, or nobody waits any longer
                future.set_result(receipt)
        elif self._on_receipt is not None:
            await self._told(self._on_receipt, receipt)
        if message.delivery_tag is not None:
            await channel.basic_ack(message.delivery_tag)

    async def _told(self, on_receipt: OnReceipt, receipt: Receipt) -> None:
        backoff = Backoff(first_seconds=0.5, most_seconds=30.0)
        while True:
            try:
                await on_receipt(receipt)
            except Exception:  # noqa: BLE001 -- whatever an application's database raises, it may work later
                _log.exception("a receipt of %s was not taken; tried again", receipt.id)
                await backoff.wait()
            else:
                return


def _read(body: bytes) -> Receipt | None:
    try:
        said = orjson.loads(body)
        return Receipt(
            said["id"],
            said["user"],
            Verdict(said["outcome"]),
            said["value"],
            said["detail"],
            said["attempts"],
            datetime.fromtimestamp(said["settled_at"] / 1000, UTC),
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
