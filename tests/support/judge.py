"""The judge of a history: what went in must come out, once, in order.

`lost = held by the broker - received - buried - expired - removed`, `unexpected = received - attempted`.
Order is that of first deliveries: a session that begins anew may begin again. A repetition is judged by what
the client could do against it: nothing within a session, `seen` between two of them. Assumes that each user's
messages were attempted in the order in which they entered the queue.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tests.support.history import Attempted, Buried, Confirmed, Connected, Expired, Held, History, Received, Removed

Place = tuple[str, str]
"""A user or a client, and a message."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a history. `repeated_without_seen` is allowed: that client could not say what it had."""

    lost: frozenset[Place] = frozenset()
    unexpected: frozenset[Place] = frozenset()
    reordered: tuple[str, ...] = ()
    repeated_in_session: tuple[Place, ...] = ()
    repeated_after_seen: tuple[Place, ...] = ()
    repeated_without_seen: tuple[Place, ...] = field(default=(), compare=False)

    @property
    def clean(self) -> bool:
        return self == Verdict()


def judge(history: History) -> Verdict:
    """Looks at the whole history at once: call it after everything has healed and drained."""
    repeated_in_session, repeated_after_seen, repeated_without_seen = _repeated(history)
    attempted = {(h.user, h.message) for h in history if isinstance(h, Attempted)}
    received = {(h.user, h.message) for h in history if isinstance(h, Received)}
    held = {(h.user, h.message) for h in history if isinstance(h, Held)}
    gone = {(h.user, h.message) for h in history if isinstance(h, Buried | Expired)}
    return Verdict(
        lost=frozenset(held - received - gone - removed(history, received | gone)),
        unexpected=frozenset(received - attempted),
        reordered=_reordered(history),
        repeated_in_session=repeated_in_session,
        repeated_after_seen=repeated_after_seen,
        repeated_without_seen=repeated_without_seen,
    )


def _reordered(history: History) -> tuple[str, ...]:
    """Where messages came first to a session, or first to anybody of a user, before one that was attempted earlier.

    The second finds what the first cannot: a session that got only the younger message and then died.
    """
    rank: dict[Place, int] = {}
    latest: dict[tuple[str, ...], tuple[int, str]] = {}
    had: set[tuple[str, ...]] = set()
    wrong: list[str] = []
    for happening in history:
        if isinstance(happening, Attempted):
            rank.setdefault((happening.user, happening.message), len(rank))
        if not isinstance(happening, Received) or (happening.user, happening.message) not in rank:
            continue
        place = rank[happening.user, happening.message]
        for view in ((happening.user,), (happening.client, happening.session)):
            if (*view, happening.message) in had:
                continue
            had.add((*view, happening.message))
            before, name = latest.get(view, (-1, ""))
            if place < before:
                wrong.append(f"{'/'.join(view)}: {happening.message} came after {name}")
            else:
                latest[view] = (place, happening.message)
    return tuple(wrong)


def _repeated(history: History) -> tuple[tuple[Place, ...], tuple[Place, ...], tuple[Place, ...]]:
    """In one session at all; in a session whose `seen` named it; in a later session of a client that had confirmed."""
    seen: dict[tuple[str, str], frozenset[str]] = {}
    had: set[tuple[str, str, str]] = set()
    confirmed: set[Place] = set()
    in_session: list[Place] = []
    after_seen: list[Place] = []
    without_seen: list[Place] = []
    for happening in history:
        match happening:
            case Connected(client=client, session=session):
                seen[client, session] = happening.seen
            case Confirmed(client=client, message=message):
                confirmed.add((client, message))
            case Received(client=client, session=session, message=message):
                if (client, session, message) in had:
                    in_session.append((client, message))
                elif message in seen.get((client, session), frozenset()):
                    after_seen.append((client, message))
                elif (client, message) in confirmed:
                    without_seen.append((client, message))
                had.add((client, session, message))
    return tuple(in_session), tuple(after_seen), tuple(without_seen)


@dataclass(frozen=True, slots=True)
class Sum:
    """What became of everything that the broker confirmed to have; each message is counted where it stands first."""

    published: int
    confirmed: int
    dead_lettered: int
    expired: int
    removed: int
    queued: int
    missing: frozenset[Place]

    @property
    def holds(self) -> bool:
        return not self.missing


def add_up(history: History, queued: int = 0) -> Sum:
    """`queued`: how many messages still wait in users' queues, by the broker's own count.

    Stricter than `lost`: a message that was received, and that nobody confirmed, is missing too.
    """
    held = {(h.user, h.message) for h in history if isinstance(h, Held)}
    confirmed = held & {(h.user, h.message) for h in history if isinstance(h, Confirmed)}
    buried = held & {(h.user, h.message) for h in history if isinstance(h, Buried)} - confirmed
    expired = held & {(h.user, h.message) for h in history if isinstance(h, Expired)} - confirmed - buried
    taken = removed(history, confirmed | buried | expired) & held
    left = held - confirmed - buried - expired - taken
    missing = left if len(left) > queued else frozenset[Place]()
    return Sum(
        len(held), len(confirmed), len(buried), len(expired), len(taken), len(left - missing), frozenset(missing)
    )


def removed(history: History, settled: AbstractSet[Place]) -> frozenset[Place]:
    """The messages that an operator's purges may have taken: the oldest there were, no more than were counted."""
    attempted: dict[str, list[Place]] = {}
    taken: set[Place] = set()
    for happening in history:
        match happening:
            case Attempted(user, message):
                attempted.setdefault(user, []).append((user, message))
            case Removed(user, count):
                candidates = [place for place in attempted.get(user, []) if place not in settled and place not in taken]
                taken.update(candidates[:count])
    return frozenset(taken)
