"""All that a benchmark has found: kept as JSON, looked at as medians over its runs and as ratios within each."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from tests.bench.phases.result import Result


@dataclass(slots=True)
class Record:
    """`machine` is what the figures depend on beside the code."""

    machine: dict[str, object]
    found: list[tuple[int, Result]] = field(default_factory=list)

    def add(self, run: int, result: Result) -> None:
        self.found.append((run, result))

    def rows(self, phase: str) -> list[tuple[str, str]]:
        """Phase and system of all whose phase begins so, in the order in which they were first measured."""
        return list(dict.fromkeys((r.phase, r.system) for _, r in self.found if r.phase.startswith(phase)))

    def median(self, phase: str, system: str, key: str) -> float | None:
        """None where nothing of that name was measured."""
        values = [value for _, value in self._values(phase, system, key)]
        return median(values) if values else None

    def range(self, phase: str, system: str, key: str) -> tuple[float, float]:
        values = [value for _, value in self._values(phase, system, key)]
        return min(values), max(values)

    def ratio(self, phase: str, system: str, other: str, key: str) -> float | None:
        """The median, over the runs, of how many times the other's figure this one's is."""
        others = dict(self._values(phase, other, key))
        found = [value / others[run] for run, value in self._values(phase, system, key) if others.get(run)]
        return median(found) if found else None

    def wrong(self, system: str = "") -> list[str]:
        """What did not come as it should, in words; of one system, or of all."""
        return [
            f"run {run + 1}, {result.phase}, {result.system}: "
            + ", ".join(f"{count} {what}" for what, count in result.wrong.items())
            for run, result in self.found
            if result.wrong and (not system or result.system == system or result.phase in OWN)
        ]

    def write(self, file: Path) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        results = [{"run": run, **asdict(result)} for run, result in self.found]
        file.write_text(json.dumps({"machine": self.machine, "results": results}, indent=1) + "\n")
        return file

    def _values(self, phase: str, system: str, key: str) -> Iterator[tuple[int, float]]:
        for run, result in self.found:
            if (result.phase, result.system) == (phase, system) and key in result.numbers:
                yield run, result.numbers[key]


OWN = ("scale out", "absent users", "costs")
"""Phases in which the system's name says how much of restante there is."""
