"""Numbers that a core counts for itself, shown to Prometheus when it asks: nothing of this runs for each message."""

from collections.abc import Callable, Iterable
from itertools import accumulate

from prometheus_client import ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry


def registry() -> CollectorRegistry:
    """With what the system knows of this process: memory, CPU, open files."""
    # A second series beside each counter would tell no more than the start of the process.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs has none
    made = CollectorRegistry()
    ProcessCollector(namespace="restante", registry=made)
    return made


def counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"restante_{name}", text, value=value)


def counters(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    """One for each value of one label."""
    family = CounterMetricFamily(f"restante_{name}", text, labels=[label])
    for value, count in values.items():
        family.add_metric([value], count)
    return family


def histogram(name: str, text: str, bounds: Iterable[float], counts: Iterable[int], total: float) -> Metric:
    """`counts`: one for each bound, and one more for what is beyond the last."""
    below = [*map(str, bounds), "+Inf"]
    return HistogramMetricFamily(
        f"restante_{name}", text, buckets=list(zip(below, accumulate(counts), strict=True)), sum_value=total
    )


class Counted(Collector):
    """Reads all its numbers at one moment, so that what adds up there adds up on the page too."""

    def __init__(self, registry: CollectorRegistry, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        return self._read()
