"""What the phases need to know of a system: where clients connect, and where messages for them go."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

WINDOW = 32
"""Unconfirmed messages of one user at once, in every system."""


@dataclass(slots=True)
class System:
    """One system that runs. `pids` names its processes and the broker's."""

    name: str
    protocol: Literal["socket.io", "mqtt", "nats"]
    ports: list[int]
    broker_url: str
    exchange: str
    key: Callable[[str], str]
    """The routing key for a user."""
    queue: Callable[[str], str]
    login: Callable[[str], str]
    pids: dict[str, int] = field(default_factory=dict)
    host: str = "127.0.0.1"
    receipts: bool = False
    """Whether a publisher may ask to be told of the confirmation."""
