"""Whether a generation may still act, and the tasks that end with it."""

import asyncio
from collections.abc import Coroutine

from shared.broker import HEARTBEAT_SECONDS, BrokerAway

TEARDOWN_SECONDS = 5.0


class Life:
    """`over` raises what ended it: `BrokerAway`, or a bug. `patience_seconds` is the heartbeat."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._beat_at = self._loop.time()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self.patience_seconds = float(HEARTBEAT_SECONDS)

    def spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        """The task ends with this life; what it raises ends this life."""
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def end(self, reason: str) -> None:
        self.fail(BrokerAway(reason))

    def fail(self, err: BaseException) -> None:
        if not self.over.done():
            self.over.set_exception(err)
            self.over.exception()  # looked at: nobody need wait for it any more

    def beat(self) -> float:
        """To be called all the time, to show that the loop turns. Returns the time."""
        self._beat_at = self._loop.time()
        return self._beat_at

    def is_current(self) -> bool:
        """False once it is over, or the loop stood still for so long that others have taken over."""
        return self.now_if_current() is not None

    def now_if_current(self) -> float | None:
        """The loop's time, in seconds; None once this is not current."""
        now = self._loop.time()
        held_up = now - self._beat_at
        if held_up > self.patience_seconds:
            self.end(f"this process stood still for {held_up:.1f} s")
        return None if self.over.done() else now

    async def stop_tasks(self) -> None:
        """Bounded. No TaskGroup, as that waits for ever: a task may hang on a socket whose other end is frozen."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=TEARDOWN_SECONDS)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (err := task.exception()) is not None:
            self.fail(err)
