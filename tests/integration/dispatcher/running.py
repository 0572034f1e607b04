"""A dispatcher that a test has started, seen from outside."""

import asyncio
from dataclasses import dataclass

from dispatcher.app import App


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
