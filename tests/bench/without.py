"""One service with a part of it taken out, to show what that costs: `python -m tests.bench.without metrics gateway`.

It is taken out of this process alone: the files stay as they are. What is left keeps no promise.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter, Histogram

from dispatcher.core.ledger import Ledger, Times
from gateway.core.ring import Ring
from gateway.core.sessions import Sessions
from shared import lanes
from tests.support.altered import run

Patch = tuple[type, str, Any]


def deduplication() -> list[Patch]:
    """What a session confirmed is not remembered."""
    return [(Ring, "add", _nothing), (Ring, "__contains__", lambda _ring, _message: False)]


def metrics() -> list[Patch]:
    """Nothing is counted or timed."""
    counted = [(Ledger, name) for name in ("arrived", "confirmation", "acked")]
    return [
        (owner, name, _nothing) for owner, name in (*counted, (Times, "add"), (Counter, "inc"), (Histogram, "observe"))
    ]


def leases() -> list[Patch]:
    """Sessions are announced once and never again."""
    return [(Sessions, "_renew", _nothing)]


def fast_lanes() -> list[Patch]:
    """Everything takes the libraries' own ways."""
    os.environ[lanes.PLAIN] = "plain"
    return []


PARTS: dict[str, Callable[[], list[Patch]]] = {
    part.__name__: part for part in (deduplication, metrics, leases, fast_lanes)
}


@dataclass(frozen=True, slots=True)
class Without:
    """An edition of the services (`tests/support/services.py`)."""

    part: str

    def command(self, service: str) -> list[str]:
        return [__name__, self.part, service]


def _nothing(*_: object, **__: object) -> None:
    pass


def main() -> int:
    part, service = sys.argv[1:]
    for owner, name, value in PARTS[part]():
        setattr(owner, name, value)
    return run(service)


if __name__ == "__main__":
    sys.exit(main())
