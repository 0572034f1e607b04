"""The dispatcher's composition root: generations one after the other, HTTP beside them, an end by signal."""

import asyncio
import os
import signal
from collections.abc import Callable

from prometheus_client import CollectorRegistry

from dispatcher.core.dispatcher import Dispatcher
from dispatcher.generation import Generation
from dispatcher.metrics import Metrics
from dispatcher.settings import Settings
from shared import log
from shared.broker import Backoff, BrokerAway
from shared.ceiling import Ceiling
from shared.http import HealthApp, serve

STEADY_SECONDS = 10.0
"""A generation that served for so long was no false start: the next one comes soon."""

_log = log.get(__name__)


class App:
    """Runs until `stop` is set; then drains and returns."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._ceiling = Ceiling()
        self._generation: Generation | None = None
        self._serving = self._draining = False
        self._why = "connecting to the broker"
        self._watch()

    @property
    def registry(self) -> CollectorRegistry:
        return self._metrics.registry

    async def run(self, stop: asyncio.Event) -> None:
        """Raises `CannotListen`, and whatever is a bug."""
        health = HealthApp(lambda: self._serving, self.registry, lambda: self._why)
        async with serve(health, self._settings.dispatcher_listen) as port:
            _log.info("dispatcher started", http=f"{self._settings.dispatcher_listen.host}:{port}")
            stopping = asyncio.create_task(stop.wait())
            try:
                await self._generations(stopping)
            finally:
                stopping.cancel()
        _log.info("dispatcher ended")

    async def _generations(self, stopping: "asyncio.Task[bool]") -> None:
        backoff = Backoff()
        clock = asyncio.get_running_loop().time
        while not stopping.done():
            self._generation = generation = Generation(self._settings, self._metrics, self._ceiling)
            began = clock()
            running = asyncio.create_task(generation.run(self._serve))
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                await self._drain(generation, running)
                return
            served, self._serving = self._serving, False
            try:
                await running
            except BrokerAway as err:
                if served and clock() - began > STEADY_SECONDS:
                    backoff.reset()
                pause = backoff.next_seconds()
                self._away(str(err), pause)
                await asyncio.wait({stopping}, timeout=pause)

    async def _drain(self, generation: Generation, running: "asyncio.Task[None]") -> None:
        self._serving, self._draining, self._why = False, True, "draining"
        _log.info("draining", unsettled=generation.unsettled)
        await generation.drain(self._settings.dispatcher_drain_seconds)
        _log.info("leaving; what is not confirmed goes back to its queue", unsettled=generation.unsettled)
        running.cancel()
        await asyncio.wait({running})

    def _serve(self) -> None:
        self._serving, self._why = True, ""
        self._metrics.generations.inc()
        _log.info("serving", id=self._generation.id if self._generation else "")

    def _away(self, reason: str, pause: float) -> None:
        why = f"broker away: {reason}"
        if self._why != why:  # not each try: one line for each reason
            _log.warning("broker away; everything starts over", reason=reason, retry_seconds=round(pause, 1))
        self._why = why

    def _watch(self) -> None:
        def of_core(name: str, text: str, read: Callable[[Dispatcher], int]) -> None:
            self._metrics.watch(name, text, lambda: read(core) if (core := self._core) is not None else 0)

        self._metrics.held = lambda: core.held if (core := self._core) is not None else 0
        self._metrics.watch("draining", "1 while the dispatcher drains", lambda: int(self._draining))
        loop = asyncio.get_running_loop()
        self._metrics.watch("tasks", "Tasks of the event loop", lambda: len(asyncio.all_tasks(loop)))
        self._metrics.watch("broker_connected", "1 while the dispatcher serves", lambda: int(self._serving))
        self._metrics.watch(
            "broker_blocked",
            "1 while the broker has an alarm (memory, disk)",
            lambda: int(self._generation is not None and self._generation.blocked),
        )
        of_core("partitions_owned", "Partitions whose users are served here", lambda core: len(core.owned))
        self._metrics.watch_partitions(lambda n: (core := self._core) is not None and n in core.owned)
        of_core("users", "Users with a session or a message here", lambda core: sum(1 for _ in core.users))
        of_core("sessions", "Sessions known here", lambda core: core.sessions)
        of_core("in_flight", "Messages that wait for a confirmation", lambda core: core.in_flight)
        of_core("unreadable_leases", "Leases that could not be read", lambda core: core.unreadable_leases)

    @property
    def _core(self) -> Dispatcher | None:
        serves = self._generation is not None and (self._serving or self._draining)
        return self._generation.core if serves and self._generation is not None else None


async def run(settings: Settings) -> None:
    """SIGTERM and SIGINT drain; a second one ends at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def signalled(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled, number)
    await App(settings).run(stop)
