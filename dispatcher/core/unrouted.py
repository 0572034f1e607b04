"""First contact: messages for users who have no queue yet are put into one, in order, and then find it themselves.

For each such user: declare the queue, move the messages, each confirmed before it is acked, and bind the queue
once no more come this way. Messages that are published while the queue is being bound may overtake (DESIGN,
Unrouted). Users do not wait for each other.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from dispatcher.core.quota import Quota
from shared.message import DeadLetter, Reason
from shared.names import is_user_id

QUIET_SECONDS = 0.1
BRIEF_SECONDS = 0.03
HURRIED_SECONDS = 2.0
"""A queue is bound once all that came for its user is moved and nothing more came for so long. A shorter pause must
do after so much steady traffic: it is still longer than a move takes."""

STEADY_SECONDS = 300.0
"""And after so long without any such pause. That need not keep the order: in the midst of traffic the first messages
that come directly pass the last ones that came this way, also those of a publisher that waits for confirms."""

RETRY_SECONDS = 0.5

MOST_MADE = 20_000
"""So many users who were newcomers lately are known to have a queue, and cost nobody's quota again."""


class UnroutedPort(Protocol):
    """What first contact asks of the world. Every call returns at once and must not call the core back.

    Two implementations: `dispatcher/unrouted.py`, and the one of the tests.
    """

    def declare(self, user: str) -> None:
        """Declare the user's queue, unbound; comes back as `Unrouted.declared`."""

    def move(self, user: str, tag: int) -> None:
        """Put the message into the user's queue, in the order of the calls.

        Comes back as `Unrouted.moved` once the broker holds it, or as `Unrouted.failed`.
        """

    def bind(self, user: str) -> None:
        """Bind the user's queue to `messages`; comes back as `Unrouted.bound`."""

    def bury(self, tag: int, user: str, letter: DeadLetter) -> None:
        """Put the message into `dead-letters`; comes back as `Unrouted.moved`. Tried until it works."""

    def ack(self, tag: int) -> None:
        """The message is safe elsewhere."""


class _Stage(Enum):
    """WAITING: a move failed, the queue is declared again soon."""

    DECLARING = auto()
    MOVING = auto()
    BINDING = auto()
    BOUND = auto()
    WAITING = auto()


@dataclass(slots=True)
class _Newcomer:
    """`waiting` are not on their way, `moving` are; `opened_at` is when its queue was first declared."""

    stage: _Stage
    last_at: float
    opened_at: float = 0.0
    waiting: list[int] = field(default_factory=list)
    moving: set[int] = field(default_factory=set)


class Unrouted:
    """One fact in, calls on the port out; `now` is monotonic seconds. Facts about the unknown are ignored."""

    def __init__(self, port: UnroutedPort, quota: Quota) -> None:
        self._port = port
        self._quota = quota
        self._newcomers: dict[str, _Newcomer] = {}
        self._made: dict[str, None] = {}
        self._held: dict[int, str] = {}  # every unacked message's user, whatever is done with it

    def __len__(self) -> int:
        """Messages that are held and not safe yet."""
        return len(self._held)

    def arrived(self, user: str, tag: int, now: float, sender: str | None = None) -> None:
        """A message from `unrouted`; its routing key is the user. `sender`: None if no client sent it."""
        self._held[tag] = user
        if not is_user_id(user):
            self._port.bury(tag, user, DeadLetter(Reason.BAD_USER, f"{user[:200]!r} is no user id"))
            return
        newcomer = self._newcomers.get(user)
        if newcomer is None:
            exceeded = "" if sender is None or user in self._made else self._quota.take(sender, now)
            if exceeded:
                self._port.bury(tag, user, DeadLetter(Reason.OVER_QUOTA, exceeded))
                return
            newcomer = self._newcomers[user] = _Newcomer(_Stage.DECLARING, now)
            self._port.declare(user)
        newcomer.last_at = now
        if newcomer.stage in (_Stage.DECLARING, _Stage.WAITING):
            newcomer.waiting.append(tag)
        else:
            newcomer.moving.add(tag)
            self._port.move(user, tag)

    def opened(self, user: str, now: float) -> None:
        """A session has declared the user's queue: it is bound in its turn, after what came this way before."""
        if user not in self._newcomers:
            self._newcomers[user] = _Newcomer(_Stage.MOVING, now, opened_at=now)

    def declared(self, user: str, now: float) -> None:
        newcomer = self._newcomers.get(user)
        if newcomer is None or newcomer.stage is not _Stage.DECLARING:
            return
        self._made.pop(user, None)
        self._made[user] = None
        if len(self._made) > MOST_MADE:
            del self._made[next(iter(self._made))]
        newcomer.stage = _Stage.MOVING
        newcomer.opened_at = newcomer.last_at = now
        newcomer.moving.update(newcomer.waiting)
        # Sorted: those that failed came back in any order, and newer ones may have joined them since.
        for tag in sorted(newcomer.waiting):
            self._port.move(user, tag)
        newcomer.waiting.clear()

    def moved(self, tag: int, now: float) -> None:
        """The broker holds the message elsewhere."""
        user = self._held.pop(tag, None)
        if user is None:
            return
        self._port.ack(tag)
        newcomer = self._newcomers.get(user)
        if newcomer is not None:
            newcomer.moving.discard(tag)
            self._sweep(user, newcomer)

    def failed(self, tag: int, now: float) -> None:
        """A move did not work: the queue was deleted, or is full. It is declared and tried again."""
        user = self._held.get(tag)
        newcomer = self._newcomers.get(user) if user is not None else None
        if newcomer is None or tag not in newcomer.moving:
            return
        newcomer.moving.discard(tag)
        newcomer.waiting.append(tag)
        newcomer.last_at = now
        newcomer.stage = _Stage.WAITING

    def bound(self, user: str, now: float) -> None:
        newcomer = self._newcomers.get(user)
        if newcomer is not None and newcomer.stage is _Stage.BINDING:
            newcomer.stage = _Stage.BOUND
            self._sweep(user, newcomer)

    def tick(self, now: float) -> None:
        """Every 50 ms."""
        for user, newcomer in self._newcomers.items():
            quiet, steady = now - newcomer.last_at, now - newcomer.opened_at
            enough = BRIEF_SECONDS if steady >= HURRIED_SECONDS else QUIET_SECONDS
            match newcomer.stage:
                case _Stage.MOVING if not newcomer.moving and quiet >= enough:
                    self._bind(user, newcomer)
                case _Stage.MOVING if steady >= STEADY_SECONDS:
                    self._bind(user, newcomer)
                # Those still on their way may fail too: they are then tried again together, in order.
                case _Stage.WAITING if not newcomer.moving and quiet >= RETRY_SECONDS:
                    newcomer.stage = _Stage.DECLARING
                    self._port.declare(user)
                case _:
                    pass

    def _bind(self, user: str, newcomer: _Newcomer) -> None:
        newcomer.stage = _Stage.BINDING
        self._port.bind(user)

    def _sweep(self, user: str, newcomer: _Newcomer) -> None:
        """What comes for a forgotten user all the same begins anew, which costs one more declare."""
        if newcomer.stage is _Stage.BOUND and not newcomer.moving:
            del self._newcomers[user]
