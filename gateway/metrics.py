"""What the gateway counts. Label values are closed sets: nothing that a client chooses becomes one."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge


class Metrics:
    """One set for one gateway, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.emitted = self._counter("emitted", "Messages sent to clients, once for each session")
        self.outcomes = self._counter("outcomes", "What became of messages at sessions", "outcome")
        self.cut = self._counter("sessions_cut", "Connections closed by the gateway", "reason")
        self.replaced = self._counter("sessions_replaced", "Sessions over their user's limit")
        self.rejected = self._counter("connections_rejected", "Clients that were not let in", "reason")
        self.bad_frames = self._counter("bad_frames", "Connections closed for a frame that is not valid")
        self.sends = self._counter("sends", "Messages sent by clients", "result")
        self.unreadable = self._counter("unreadable_batches", "Batches that this version cannot read")
        self.link_losses = self._counter("broker_link_losses", "Times the broker connection was lost")

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(f"restante_{name}", text, registry=self.registry).set_function(read)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"restante_{name}", text, labels, registry=self.registry)
