"""What the gateway counts (deploy/MONITORING.md explains each). Label values are closed sets: nothing that a client
chooses becomes one.
"""

from collections.abc import Callable, Iterable

from prometheus_client import Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric

from gateway import send, tokens
from gateway.core.ledger import Ledger
from shared.counted import Counted, counter, counters, registry

CUT_REASONS = (
    "bad packet",
    "broker away",
    "confirm timeout",
    "does not read",
    "draining",
    "evicted",
    "fault",
    "no login",
    "not serving",
    "replaced",
    "token expired",
    "too many frames",
)


class Metrics:
    """One set for one gateway, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry()
        self.ledger = Ledger()
        self.waiting: Callable[[], int] = lambda: 0
        self.unanswered: Callable[[], int] = lambda: 0
        """Messages that wait for room, and those without an answer, by the core's own tables."""
        self.cut = self._counter("sessions_cut", "Connections closed by the gateway", "reason")
        self.replaced = self._counter("sessions_replaced", "Sessions over their user's limit")
        self.rejected = self._counter("connections_rejected", "Clients that were not let in", "reason")
        self.bad_frames = self._counter("bad_frames", "Connections closed for a frame that is not valid")
        self.sends = self._counter("sends", "Messages sent by clients", "result")
        self.unreadable = self._counter("unreadable_batches", "Batches that this version cannot read")
        self.link_losses = self._counter("broker_link_losses", "Times the broker connection was lost")
        for reason in CUT_REASONS:
            self.cut.labels(reason)
        for code in tokens.Code:
            self.rejected.labels(code)
        for result in ("ok", *send.Code):
            self.sends.labels(result)
        Counted(self.registry, self._of_ledger)

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(f"restante_{name}", text, registry=self.registry).set_function(read)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"restante_{name}", text, labels, registry=self.registry)

    def _of_ledger(self) -> Iterable[Metric]:
        ledger = self.ledger
        yield counter("forwards", "Messages that dispatchers forwarded, each session apart", ledger.forwarded)
        yield counter("emitted", "Messages sent to clients, once for each session", ledger.emitted)
        yield counters(
            "forwards_not_emitted",
            "Forwarded messages that were not sent to the client",
            "reason",
            {
                "known": ledger.known,
                "repeated": ledger.repeated,
                "stranger": ledger.strangers,
                "withdrawn": ledger.withdrawn,
            },
        )
        yield GaugeMetricFamily("restante_waiting", "Messages that wait for room in a window", value=self.waiting())
        yield counters(
            "answers", "Answers of clients", "answer", {"confirmed": ledger.confirmed, "refused": ledger.refused}
        )
        yield counter("abandoned", "Messages sent to sessions that ended without an answer", ledger.unanswered)
        yield GaugeMetricFamily("restante_unanswered", "Messages sent and not answered", value=self.unanswered())
        told = {kind.value: count for kind, count in ledger.outcomes.items()}
        yield counters("outcomes", "What became of messages at sessions, as told to dispatchers", "outcome", told)
