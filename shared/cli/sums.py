"""The sums of both services and of the broker, held against each other: what must be equal, and what one may exceed.

Numbers grow while they are read. So the pages of the gateways are read before and after those of the dispatchers:
what arrives somewhere is then never read later than what was sent there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.cli.printing import plural
from shared.names import PARTITIONS

MOVES = 3
"""So many looks at least, before two figures that were never equal are taken for the same one that moves."""


class Verdict(StrEnum):
    FITS = "fits"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Page:
    """What one service counts. Keys are sample names without `restante_`; labels follow in braces: `x_total{a="b"}`."""

    address: str
    samples: Mapping[str, float]

    def total(self, name: str) -> int:
        """Over all its labels; 0 where there is none."""
        return round(sum(value for key, value in self.samples.items() if key == name or key.startswith(f"{name}{{")))

    @property
    def is_dispatcher(self) -> bool:
        return "partitions_owned" in self.samples


@dataclass(frozen=True, slots=True)
class Broker:
    """RabbitMQ's view, some seconds old: of users' queues and of the queues of leases."""

    unacked: int
    leases: int
    acks: int


@dataclass(frozen=True, slots=True)
class Reading:
    """`gateways` were read before the dispatchers, `later` after them; `broker` None: nobody tells, and `why`."""

    gateways: Sequence[Page]
    dispatchers: Sequence[Page]
    later: Sequence[Page]
    broker: Broker | None = None
    why: str = ""
    silent: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """`sum` is what was compared, in words and numbers; `means` what it may mean when it does not fit.

    `now`: two figures of this moment that rise and fall, and are never read at once.
    """

    name: str
    verdict: Verdict
    sum: str
    means: str = ""
    now: tuple[int, int] | None = None


def checks(reading: Reading) -> list[Check]:
    found = [_silent(reading.silent)] if reading.silent else []
    found += [_deliveries(page) for page in reading.dispatchers]
    for page in reading.later:
        found += [_forwards(page), _answers(page)]
    found += [_partitions(reading.dispatchers), _told(reading), _outcomes(reading), _sessions(reading)]
    if reading.broker is None:
        return [*found, Check("broker", Verdict.UNKNOWN, f"not compared: {reading.why}")]
    return [*found, *_broker(reading.dispatchers, reading.broker)]


def _silent(addresses: Sequence[str]) -> Check:
    return Check(
        "answers",
        Verdict.DIFFERS,
        ", ".join(addresses),
        "does not answer: it is down, or its address is wrong; what it counts is missing below",
    )


def _deliveries(page: Page) -> Check:
    taken, acked, back, held = (page.total(n) for n in ("deliveries_total", "acked_total", "requeued_total", "held"))
    return Check(
        f"deliveries of {page.address}",
        _if(taken == acked + back + held),
        f"{taken:,} taken = {acked:,} acked + {back:,} given back + {held:,} held",
        "a fault of restante: this must hold at every moment; please report it with the page /metrics",
    )


def _forwards(page: Page) -> Check:
    names = ("forwards_total", "emitted_total", "forwards_not_emitted_total", "waiting")
    came, emitted, kept, waiting = (page.total(name) for name in names)
    return Check(
        f"forwards of {page.address}",
        _if(came == emitted + kept + waiting),
        f"{came:,} forwarded = {emitted:,} emitted + {kept:,} not needed + {waiting:,} waiting",
        "a fault of restante: this must hold at every moment; please report it with the page /metrics",
    )


def _answers(page: Page) -> Check:
    names = ("emitted_total", "answers_total", "abandoned_total", "unanswered")
    emitted, answered, abandoned, out = (page.total(name) for name in names)
    return Check(
        f"answers of {page.address}",
        _if(emitted == answered + abandoned + out),
        f"{emitted:,} emitted = {answered:,} answered + {abandoned:,} abandoned + {out:,} unanswered",
        "a fault of restante: this must hold at every moment; please report it with the page /metrics",
    )


def _partitions(dispatchers: Sequence[Page]) -> Check:
    owned = sum(page.total("partitions_owned") for page in dispatchers)
    return Check(
        "partitions",
        _if(owned == PARTITIONS),
        f"{owned} owned by {plural(len(dispatchers), 'dispatcher')}, of {PARTITIONS}",
        "fewer: a dispatcher is not asked here, or one has just ended and its partitions are being taken over, or none "
        "runs. More: one that was frozen or cut off has not noticed yet that it was replaced",
    )


def _told(reading: Reading) -> Check:
    came = _sum(reading.gateways, "forwards_total")
    sent = _sum(reading.dispatchers, "forwarded_total")
    return Check(
        "on the way out",
        _if(came <= sent),
        f"{came:,} forwards reached gateways, {sent:,} were sent by dispatchers",
        "a dispatcher was restarted, so that its counters began anew, or is not asked here",
    )


def _outcomes(reading: Reading) -> Check:
    came = _sum(reading.dispatchers, "outcomes_total")
    told = _sum(reading.later, "outcomes_total")
    return Check(
        "on the way back",
        _if(came <= told),
        f"{came:,} outcomes reached dispatchers, {told:,} were told by gateways",
        "a gateway was restarted, so that its counters began anew, or is not asked here",
    )


def _sessions(reading: Reading) -> Check:
    known, there = _sum(reading.dispatchers, "sessions"), _sum(reading.later, "sessions")
    return Check(
        "sessions",
        _if(known == there),
        f"{known:,} known to dispatchers, {there:,} at gateways",
        "a service is not asked here, or a gateway has no broker link (its log says why)",
        now=(known, there),
    )


def _broker(dispatchers: Sequence[Page], broker: Broker) -> list[Check]:
    held, sessions = _sum(dispatchers, "held"), _sum(dispatchers, "sessions")
    acked = _sum(dispatchers, "acked_total")
    return [
        Check(
            "held",
            _if(held == broker.unacked),
            f"{held:,} held by dispatchers, {broker.unacked:,} unacked in users' queues",
            "a dispatcher is not asked here, or another program consumes users' queues; or so many messages move that "
            "RabbitMQ's figures, up to ten seconds old, are of another moment: look again when it is calmer",
            now=(held, broker.unacked),
        ),
        Check(
            "leases",
            _if(sessions == broker.leases),
            f"{sessions:,} sessions known to dispatchers, {broker.leases:,} leases unacked",
            "a dispatcher is not asked here, or was frozen and does not know yet that it was replaced; or clients come "
            "and go so fast that RabbitMQ's figures, up to ten seconds old, are of another moment",
            now=(sessions, broker.leases),
        ),
        Check(
            "acks",
            Verdict.FITS if acked == broker.acks else Verdict.UNKNOWN,
            f"{acked:,} acked by dispatchers, {broker.acks:,} acks counted by RabbitMQ",
            "RabbitMQ forgets the acks of a queue that was deleted and all when it restarts, dispatchers theirs when "
            "they restart; equal only where none of that has happened",
        ),
    ]


def _if(fits: bool) -> Verdict:  # noqa: FBT001 -- it is the value that a verdict is made of
    return Verdict.FITS if fits else Verdict.DIFFERS


def _sum(pages: Sequence[Page], name: str) -> int:
    return sum(page.total(name) for page in pages)


def merged(looks: Sequence[list[Check]]) -> list[Check]:
    """Of several looks the last one. A check fits that fitted in any of them, or whose two figures of the moment went
    through the same values meanwhile: what moves is never still for both who tell it.
    """
    found = []
    for last in looks[-1]:
        same = [check for look in looks for check in look if check.name == last.name]
        fitted = [check for check in same if check.verdict is Verdict.FITS]
        if not fitted and _met([check.now for check in same if check.now is not None]):
            fitted = [replace(last, verdict=Verdict.FITS)]
        found.append(fitted[-1] if fitted else last)
    return found


def _met(pairs: Sequence[tuple[int, int]]) -> bool:
    """Whether the ranges of the two figures overlap. Figures that stand still do not."""
    if len(pairs) < MOVES:
        return False
    ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return max(min(ours), min(theirs)) <= min(max(ours), max(theirs))
