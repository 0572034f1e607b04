"""What the dispatcher counts, under the names that operators see (deploy/MONITORING.md explains each)."""

from collections.abc import Callable, Iterable
from functools import partial

from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric

from dispatcher.core.ledger import Ledger, Times
from shared.counted import Counted, counter, counters, histogram, registry
from shared.message import Reason
from shared.names import PARTITIONS


class Metrics:
    """Counters live as long as the process; gauges ask whatever generation there is when they are read."""

    def __init__(self) -> None:
        self.registry = registry()
        self.ledger = Ledger()
        self.held: Callable[[], int] = lambda: 0
        """Deliveries that the broker waits for an ack of, by the core's own tables."""
        self.forwarded = self._counter("forwarded", "Messages sent to gateways, each session and each try apart")
        self.dead_lettered = self._counter("dead_lettered", "Messages put into dead-letters", "reason")
        for reason in Reason:
            self.dead_lettered.labels(reason.value)
        self.receipts = self._counter("receipts", "Receipts published")
        self.batches = self._counter("batches", "Batches published to gateways")
        self.batches_returned = self._counter("batches_returned", "Batches whose gateway was gone")
        self.outcomes = self._counter("outcomes", "Outcomes that gateways reported")
        self.unreadable = self._counter("unreadable", "Batches of outcomes of a version that cannot be read")
        self.queue_mismatches = self._counter("queue_mismatches", "Declares that met a queue with other arguments")
        self.unrouted_moved = self._counter("unrouted_moved", "Messages put into the queue of a user who had none")
        self.generations = self._counter("generations", "Times that the connections to the broker were made")
        Counted(self.registry, self._of_ledger)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"restante_{name}", text, labels, registry=self.registry)

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge whose value is asked for when it is read."""
        Gauge(f"restante_{name}", text, registry=self.registry).set_function(read)

    def watch_partitions(self, owned: Callable[[int], bool]) -> None:
        """One gauge for each partition: over all dispatchers each should sum up to 1."""
        text = "1 where the partition's users are served"
        gauge = Gauge("restante_partition_owned", text, ["partition"], registry=self.registry)
        for partition in range(PARTITIONS):
            gauge.labels(str(partition)).set_function(partial(owned, partition))

    def _of_ledger(self) -> Iterable[Metric]:
        ledger = self.ledger
        yield counter("deliveries", "Messages that the broker delivered from user queues", ledger.taken)
        yield counter("acked", "Messages of users acked to the broker", ledger.settled)
        yield counters(
            "settled",
            "Messages acked to the broker, by what became of them",
            "outcome",
            {
                "confirmed": ledger.confirmed,
                "refused": ledger.refused,
                "unconfirmed": ledger.unconfirmed,
                "rejected": ledger.rejected,
            },
        )
        yield counters(
            "requeued",
            "Messages that went back to their queue",
            "reason",
            {"released": ledger.given_back, "channel": ledger.cut_off},
        )
        yield GaugeMetricFamily("restante_held", "Messages that the broker waits for an ack of", value=self.held())
        yield counters(
            "redelivered",
            "Messages sent to a session although some session was sent them before",
            "reason",
            {"broker": ledger.again_broker, "session": ledger.again_session, "silence": ledger.again_silence},
        )
        yield _histogram("delivery_seconds", "From the broker's delivery to the client's confirmation", ledger.waited)
        yield _histogram("queue_seconds", "From publishing to the first delivery by the broker", ledger.queued)
        yield _histogram("publish_to_confirm_seconds", "From publishing to the client's confirmation", ledger.took)


def _histogram(name: str, text: str, times: Times) -> Metric:
    return histogram(name, text, times.bounds, times.counts, times.seconds)
