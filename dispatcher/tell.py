"""What gateways are told, many entries in one AMQP message, in order for each inbox.

What was said within one turn of the event loop goes out together. An inbox that takes them slowly, as during an alarm
of the broker, gets bigger batches rather than more of them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from dispatcher.metrics import Metrics
from shared.broker import BrokerAway
from shared.numbered import Speaker
from shared.publish import PublishFailed, Returned
from shared.wire import Batch, Entry, Forward, encode_batch

BATCH_ENTRIES = 64
BATCH_BYTES = 256 * 1024
BATCHES_UNDER_WAY = 2
"""How many batches one inbox may have unconfirmed; what is said meanwhile waits and goes together."""


@dataclass(slots=True)
class _Inbox:
    entries: deque[Entry] = field(default_factory=deque)
    under_way: int = 0
    probe: bool = False


class Teller:
    """Holds nothing back for long: what waits is bounded by the windows of the sessions it is for."""

    def __init__(
        self,
        speaker: Speaker,
        *,
        reply: str,
        window: int,
        metrics: Metrics,
        spawn: Callable[[Coroutine[None, None, None], str], None],
    ) -> None:
        self._speaker = speaker
        self._reply = reply
        self._window = window
        self._metrics = metrics
        self._returned: Callable[[str], None] | None = None  # until `run`
        self._spawn = spawn
        self._inboxes: dict[str, _Inbox] = {}
        self._ready: dict[str, None] = {}
        self._woken = asyncio.Event()

    def tell(self, inbox: str, entry: Entry) -> None:
        self._inbox(inbox).entries.append(entry)
        self._wake(inbox)

    def probe(self, inbox: str) -> None:
        """Whatever is on its way to the inbox anyway asks the same question."""
        self._inbox(inbox).probe = True
        self._wake(inbox)

    async def run(self, may_send: Callable[[], bool], returned: Callable[[str], None]) -> None:
        """`may_send` is asked before anything goes out; after False nothing ever does.

        `returned` is called with the inbox of a batch that came back: nobody reads it any more.
        """
        self._returned = returned
        while True:
            await self._woken.wait()
            self._woken.clear()
            if not may_send():
                return
            ready, self._ready = self._ready, {}
            for name in ready:
                self._send(name, self._inboxes[name])

    def _inbox(self, name: str) -> _Inbox:
        inbox = self._inboxes.get(name)
        if inbox is None:
            inbox = self._inboxes[name] = _Inbox()
        return inbox

    def _wake(self, inbox: str) -> None:
        self._ready[inbox] = None
        self._woken.set()

    def _send(self, name: str, inbox: _Inbox) -> None:
        while (inbox.entries or inbox.probe) and inbox.under_way < BATCHES_UNDER_WAY:
            inbox.probe = False
            entries = _cut(inbox.entries)
            inbox.under_way += 1
            body = encode_batch(Batch(self._reply, self._window, entries))
            # The tasks reach the speaker in the order in which they are made.
            self._spawn(self._publish(name, inbox, body), "batch")
            self._metrics.batches.inc()
            self._metrics.forwarded.inc(sum(len(entry.sessions) for entry in entries if isinstance(entry, Forward)))

    async def _publish(self, name: str, inbox: _Inbox, body: bytes) -> None:
        try:
            await self._speaker.say(name, body)
        except Returned:
            self._metrics.batches_returned.inc()
            # Nothing that waits can arrive; what is said from now on is asked of the broker again.
            inbox.entries.clear()
            if self._returned is not None:
                self._returned(name)
        except PublishFailed as err:
            raise BrokerAway(f"a batch was not taken: {err}") from err
        inbox.under_way -= 1
        if inbox.entries or inbox.probe:
            self._wake(name)
        elif not inbox.under_way and self._inboxes.get(name) is inbox:
            del self._inboxes[name]
            self._ready.pop(name, None)


def _cut(entries: deque[Entry]) -> tuple[Entry, ...]:
    """The next batch off the front: at least one entry, if there is one."""
    batch: list[Entry] = []
    size = 0
    while entries and len(batch) < BATCH_ENTRIES:
        entry = entries[0]
        size += len(entry.event) + len(entry.attachment or b"") if isinstance(entry, Forward) else 0
        if batch and size > BATCH_BYTES:
            break
        batch.append(entries.popleft())
    return tuple(batch)
