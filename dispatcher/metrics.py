"""What the dispatcher counts, under the names that operators see."""

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.names import PARTITIONS


class Metrics:
    """Counters live as long as the process; gauges ask whatever generation there is when they are read."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.deliveries = self._counter("deliveries", "Messages that the broker delivered from user queues")
        self.forwarded = self._counter("forwarded", "Messages sent to gateways, once for each gateway and try")
        self.acked = self._counter("acked", "Messages of users acked to the broker")
        self.requeued = self._counter("requeued", "Messages given back to their queue one by one")
        self.dead_lettered = Counter(
            "restante_dead_lettered", "Messages put into dead-letters", ["reason"], registry=self.registry
        )
        self.receipts = self._counter("receipts", "Receipts published")
        self.batches = self._counter("batches", "Batches published to gateways")
        self.batches_returned = self._counter("batches_returned", "Batches whose gateway was gone")
        self.outcomes = self._counter("outcomes", "Outcomes that gateways reported")
        self.unreadable = self._counter("unreadable", "Batches of outcomes of a version that cannot be read")
        self.queue_mismatches = self._counter("queue_mismatches", "Declares that met a queue with other arguments")
        self.unrouted_moved = self._counter("unrouted_moved", "Messages put into the queue of a user who had none")
        self.generations = self._counter("generations", "Times that the connections to the broker were made")

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"restante_{name}", text, registry=self.registry)

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge whose value is asked for when it is read."""
        Gauge(f"restante_{name}", text, registry=self.registry).set_function(read)

    def watch_partitions(self, owned: Callable[[int], bool]) -> None:
        """One gauge for each partition: over all dispatchers each should sum up to 1."""
        text = "1 where the partition's users are served"
        gauge = Gauge("restante_partition_owned", text, ["partition"], registry=self.registry)
        for partition in range(PARTITIONS):
            gauge.labels(str(partition)).set_function(partial(owned, partition))
