"""What the benchmark found, and how it is shown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float
    worst: float

    @classmethod
    def of(cls, values: list[float]) -> "Percentiles":
        ranked = sorted(values)

        def at(share: float) -> float:
            return round(ranked[min(len(ranked) - 1, int(share * len(ranked)))], 2)

        return cls(at(0.50), at(0.95), at(0.99), at(1.0))


@dataclass(frozen=True, slots=True)
class Drained:
    """`microseconds` are CPU for each delivery; the broker's are missing where it is not a process of ours."""

    deliveries: int
    seconds: float
    per_second: float
    microseconds: dict[str, float]
    megabytes: dict[str, float]


@dataclass(frozen=True, slots=True)
class Steady:
    """`held`: the broker confirmed to the publisher; `received`: the client has it; `settled`: the receipt is back."""

    deliveries: int
    per_second: float
    held: Percentiles
    received: Percentiles
    settled: Percentiles
    cpu_percent: dict[str, float]
