"""What a phase has found: numbers under names, and whether every message came as it should."""

from dataclasses import dataclass, field
from typing import Any

from tests.bench.figures import Percentiles


@dataclass(frozen=True, slots=True)
class Result:
    """`wrong` must be empty; `clients_percent` is the load generator's share of one core."""

    phase: str
    system: str
    numbers: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)


def faults(report: dict[str, Any], expected: int, left: int = 0) -> dict[str, int]:
    """What is not as it should be among `expected` messages, each of which must come once and in its turn."""
    found = {
        "missing": max(0, expected - report["count"] + report["repeated"]),
        "left in queues": left,
        **{name: report[name] for name in ("repeated", "skipped", "damaged", "lost", "refused", "timeouts")},
    }
    return {name: count for name, count in found.items() if count}


def spread(name: str, values: list[float], unit: str = "ms") -> dict[str, float]:
    """Median and 99th percentile under two names."""
    found = Percentiles.of(values)
    return {f"{name}_p50_{unit}": found.p50, f"{name}_p99_{unit}": found.p99}


def first_median_last(seconds: list[float]) -> dict[str, float]:
    """Of all clients; nothing where none came through."""
    ranked = sorted(seconds)
    if not ranked:
        return {}
    return {
        "first_seconds": ranked[0],
        "median_seconds": ranked[len(ranked) // 2],
        "last_seconds": ranked[-1],
    }


def between(first: dict[str, Any], last: dict[str, Any]) -> dict[str, float]:
    """Speed, CPU for each delivery and the load generator's share of a core between two marks of a tally."""
    count, seconds = last["count"] - first["count"], last["at"] - first["at"]
    spent = {name: last["cpu_seconds"][name] - first["cpu_seconds"][name] for name in first["cpu_seconds"]}
    servers = {name: value for name, value in spent.items() if name != "clients"}
    kinds: dict[str, list[float]] = {}
    for name, value in servers.items():
        kinds.setdefault(name.split(" ")[0], []).append(value / count * 1e6)
    return {
        "per_second": count / seconds,
        **{f"{name}_us": value / count * 1e6 for name, value in spent.items()},
        **{f"{kind}_us": sum(values) for kind, values in kinds.items()},
        **{f"busiest_{kind}_us": max(values) for kind, values in kinds.items()},
        "servers_us": sum(value for name, value in servers.items() if name != "broker") / count * 1e6,
        "total_us": sum(servers.values()) / count * 1e6,
        **({"clients_percent": spent["clients"] / seconds * 100} if "clients" in spent else {}),
    }
