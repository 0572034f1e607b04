"""Dead letters and receipts: what must be safe in the broker before the original is acked."""

import time
from collections.abc import Awaitable, Callable

import orjson
from pamqp.commands import Basic

from dispatcher.metrics import Metrics
from dispatcher.original import Original
from shared import log
from shared.broker import Backoff
from shared.ceiling import Ceiling
from shared.message import DeadLetter, Receipt
from shared.moved import PART, PARTS, PERSISTENT, moved, own_message_id
from shared.names import DEAD_LETTERS, RECEIPTS
from shared.publish import ConfirmedPublisher, PublishFailed, Returned, TooLarge, Unsendable
from shared.sparing import Sparing

DETAIL_CHARACTERS = 1000
LOGGED_CHARACTERS = 200

_log = log.get(__name__)


class Recorder:
    """Each call returns once the broker has confirmed. Raises `BrokerAway`; all else is tried again."""

    def __init__(
        self, publisher: ConfirmedPublisher, repair: Callable[[], Awaitable[None]], metrics: Metrics, ceiling: Ceiling
    ) -> None:
        """`repair` declares the topology anew: somebody deleted the queue of the dead letters."""
        self._publisher = publisher
        self._ceiling = ceiling
        self._repair = repair
        self._metrics = metrics
        self._sparing = Sparing()

    async def bury(self, user: str, original: Original, letter: DeadLetter) -> None:
        """A body that the broker would not take again becomes several letters, with headers that number them."""
        parts = self._ceiling.parts(original.body)
        for number, body in enumerate(parts, 1):
            of_parts = {PART: number, PARTS: len(parts)} if len(parts) > 1 else {}
            await self._bury(user, original, letter, body, of_parts)
        self._metrics.dead_lettered.labels(letter.reason.value).inc()
        self._say(user, original, letter)

    async def _bury(
        self, user: str, original: Original, letter: DeadLetter, body: bytes, of_parts: dict[str, int]
    ) -> None:
        properties = _dead(moved(original.properties, keep_expiration=False), user, letter, of_parts)
        backoff = Backoff(0.5, 10.0)
        while True:
            try:
                await self._publisher.publish(body, properties, exchange=DEAD_LETTERS, routing_key=user, mandatory=True)
            except TooLarge as err:
                self._ceiling.learn(err)
                raise
            except Unsendable as err:
                _log.warning(
                    "dead letter loses its properties",
                    user=user,
                    message=own_message_id(original.properties),
                    reason=str(err),
                )
                properties = _dead(Basic.Properties(delivery_mode=PERSISTENT), user, letter, of_parts)
            except PublishFailed as err:
                if (left_out := self._sparing.take("letter")) is not None:
                    _log.warning("dead letter not taken; tried again", user=user, reason=str(err), left_out=left_out)
                await backoff.wait()
                if isinstance(err, Returned):
                    await self._repair()
            else:
                return

    async def tell_publisher(self, user: str, original: Original, receipt: Receipt) -> None:
        """Not mandatory: who binds no queue wants no receipt."""
        asked = original.properties
        body = orjson.dumps(
            {
                "id": own_message_id(asked),
                "user": user,
                "outcome": receipt.verdict.value,
                "value": orjson.Fragment(receipt.value),
                "detail": receipt.detail,
                "attempts": receipt.attempts,
                "settled_at": int(time.time() * 1000),
            }
        )
        properties = Basic.Properties(
            content_type="application/json", correlation_id=asked.correlation_id, delivery_mode=PERSISTENT
        )
        backoff = Backoff(0.5, 10.0)
        while True:
            try:
                await self._publisher.publish(
                    body, properties, exchange=RECEIPTS, routing_key=asked.reply_to or "", mandatory=False
                )
            except PublishFailed as err:
                if (left_out := self._sparing.take("receipt")) is not None:
                    _log.warning("receipt not taken; tried again", user=user, reason=str(err), left_out=left_out)
                await backoff.wait()
            else:
                self._metrics.receipts.inc()
                return

    def _say(self, user: str, original: Original, letter: DeadLetter) -> None:
        if (left_out := self._sparing.take(letter.reason)) is not None:
            _log.warning(
                "a message went to dead-letters",
                user=user,
                message=own_message_id(original.properties),
                reason=letter.reason.value,
                detail=letter.detail[:LOGGED_CHARACTERS],
                left_out=left_out,
            )


def _dead(properties: Basic.Properties, user: str, letter: DeadLetter, of_parts: dict[str, int]) -> Basic.Properties:
    headers = {
        "reason": letter.reason.value,
        "detail": letter.detail[:DETAIL_CHARACTERS],
        "user": user,
        "attempts": letter.attempts,
        **of_parts,
    }
    properties.headers = {**(properties.headers or {}), **headers}
    return properties
