"""A dispatcher that a test has started, seen from outside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dispatcher.app import App
from dispatcher.settings import Settings
from tests.support.until import until


@dataclass(slots=True)
class Running:
    """`stop` drains it; `task` then ends."""

    app: App
    stop: asyncio.Event
    task: "asyncio.Task[None]"
    url: str

    def value(self, name: str, **labels: str) -> float:
        """What its metrics page says."""
        return self.app.registry.get_sample_value(f"restante_{name}", labels) or 0.0


@asynccontextmanager
async def serving(broker_url: str) -> AsyncIterator[Running]:
    """From when it owns all partitions."""
    settings = Settings.model_validate(
        {
            "broker_url": broker_url,
            "dispatcher_listen": "127.0.0.1:0",
            "dispatcher_linger_seconds": 0.2,
            "dispatcher_drain_seconds": 1.0,
        }
    )
    asyncio.get_running_loop().set_debug(False)  # it makes each of a thousand tasks cost several times as much
    stop = asyncio.Event()
    app = App(settings)
    task = asyncio.create_task(app.run(stop))
    running = Running(app, stop, task, broker_url)
    try:
        await until(lambda: task.done() or running.value("partitions_owned") == 64, "all partitions owned", 30)
        yield running
    finally:
        stop.set()
        await task
