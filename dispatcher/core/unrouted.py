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

QUIET_SECONDS = 1.0
BRIEF_SECONDS = 0.1
HURRIED_SECONDS = 10.0
"""A queue is bound once all that came for its user is moved and nothing more came for so long. What is published in
the very moment of the bind may be passed by what follows it, so the moment is chosen when no conversation is under
way: it costs nothing but a second hop until then. A shorter pause must do after so much steady traffic."""

STEADY_SECONDS = 300.0
"""And after so long without any such pause. That need not keep the order: in the midst of traffic the first messages
that come directly pass the last ones that came this way, also those of a publisher that waits for confirms."""

RETRY_SECONDS = 0.5

FULL_SECONDS = 60.0
CROWDED_SECONDS = 15.0
CROWD = 20
"""A full queue that has taken nothing for so long is bound all the same, which has the broker refuse to the publishers
what they send from then on, and what still comes this way is buried. Sooner if so many messages wait for it: a fraction
of what is held at once, since all other newcomers wait behind them."""

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

        Comes back as `Unrouted.moved` once the broker holds it, or as `Unrouted.failed` or `Unrouted.refused`.
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
    """`waiting` are not on their way, `moving` are; `opened_at` is when its queue was first declared, `failed_at` when
    a move failed last, `full_since` when its queue was found full and has taken nothing since. `at_once` is how many of
    those that wait go together; None: all.
    """

    stage: _Stage
    last_at: float
    opened_at: float = 0.0
    failed_at: float = 0.0
    full_since: float | None = None
    given_up: bool = False
    at_once: int | None = None
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
        if newcomer.waiting or newcomer.stage in (_Stage.DECLARING, _Stage.WAITING):
            newcomer.waiting.append(tag)
        else:
            newcomer.moving.add(tag)
            self._port.move(user, tag)

    def opened(self, user: str, now: float) -> None:
        """A session has declared the user's queue: it is bound in its turn, after what came this way before.

        Whoever may write to the exchange can say so of anybody.
        """
        if user not in self._newcomers and is_user_id(user):
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
        self._move_next(user, newcomer)

    def moved(self, tag: int, now: float) -> None:
        """The broker holds the message elsewhere."""
        user = self._held.pop(tag, None)
        if user is None:
            return
        self._port.ack(tag)
        newcomer = self._newcomers.get(user)
        if newcomer is not None:
            if tag in newcomer.moving:
                newcomer.moving.remove(tag)
                newcomer.full_since, newcomer.given_up = None, False
            if not newcomer.moving and newcomer.stage not in (_Stage.DECLARING, _Stage.WAITING):
                self._move_next(user, newcomer)
            self._sweep(user, newcomer)

    def failed(self, tag: int, now: float) -> None:
        """A move did not work: the queue was deleted, say. It is declared and tried again."""
        if (newcomer := self._mover(tag)) is not None:
            newcomer.full_since, newcomer.given_up = None, False
            self._try_later(newcomer, tag, now)

    def refused(self, tag: int, now: float) -> None:
        """The queue is full. It is tried again, as if the move had failed, but not for ever."""
        newcomer = self._mover(tag)
        if newcomer is None:
            return
        if newcomer.full_since is None:
            newcomer.full_since = now
        if newcomer.given_up:
            newcomer.moving.remove(tag)
            self._bury_full(self._held[tag], tag)
        else:
            self._try_later(newcomer, tag, now)

    def bound(self, user: str, now: float) -> None:
        newcomer = self._newcomers.get(user)
        if newcomer is not None and newcomer.stage is _Stage.BINDING:
            newcomer.stage = _Stage.BOUND
            self._sweep(user, newcomer)

    def tick(self, now: float) -> None:
        """Every 50 ms."""
        for user, newcomer in list(self._newcomers.items()):
            quiet, steady = now - newcomer.last_at, now - newcomer.opened_at
            enough = BRIEF_SECONDS if steady >= HURRIED_SECONDS else QUIET_SECONDS
            match newcomer.stage:
                case _Stage.MOVING if not newcomer.moving and quiet >= enough:
                    self._bind(user, newcomer)
                case _Stage.MOVING if steady >= STEADY_SECONDS:
                    self._bind(user, newcomer)
                case _Stage.WAITING if not newcomer.moving and _is_hopeless(newcomer, now):
                    self._give_up(user, newcomer)
                # Those still on their way may fail too: they are then tried again together, in order.
                case _Stage.WAITING if not newcomer.moving and now - newcomer.failed_at >= RETRY_SECONDS:
                    newcomer.stage = _Stage.DECLARING
                    self._port.declare(user)
                case _Stage.BOUND if not newcomer.moving and quiet >= FULL_SECONDS:
                    del self._newcomers[user]
                case _:
                    pass

    def _mover(self, tag: int) -> _Newcomer | None:
        """Whose message is on its way."""
        newcomer = self._newcomers.get(self._held.get(tag, ""))
        return newcomer if newcomer is not None and tag in newcomer.moving else None

    def _try_later(self, newcomer: _Newcomer, tag: int, now: float) -> None:
        newcomer.moving.remove(tag)
        newcomer.waiting.append(tag)
        newcomer.failed_at = now
        newcomer.at_once = 1
        newcomer.stage = _Stage.WAITING

    def _give_up(self, user: str, newcomer: _Newcomer) -> None:
        """What is sent directly from now on can pass nothing: all that came before is buried."""
        newcomer.given_up = True
        tags, newcomer.waiting, newcomer.at_once = sorted(newcomer.waiting), [], None
        for tag in tags:
            self._bury_full(user, tag)
        self._bind(user, newcomer)

    def _bury_full(self, user: str, tag: int) -> None:
        self._port.bury(tag, user, DeadLetter(Reason.QUEUE_FULL, "the user's queue is full"))

    def _move_next(self, user: str, newcomer: _Newcomer) -> None:
        """After a failure one goes first, then twice as many each time: else a full queue would be sent all that waits
        for it, up to a thousand messages, twice a second.
        """
        # Sorted: those that failed came back in any order, and newer ones may have joined them since.
        tags = sorted(newcomer.waiting)
        going = tags[: newcomer.at_once]
        newcomer.waiting = tags[len(going) :]
        newcomer.at_once = 2 * newcomer.at_once if newcomer.at_once and newcomer.waiting else None
        newcomer.moving.update(going)
        for tag in going:
            self._port.move(user, tag)

    def _bind(self, user: str, newcomer: _Newcomer) -> None:
        newcomer.stage = _Stage.BINDING
        self._port.bind(user)

    def _sweep(self, user: str, newcomer: _Newcomer) -> None:
        """What comes for a forgotten user all the same begins anew, which costs one more declare."""
        if newcomer.stage is _Stage.BOUND and not newcomer.moving and not newcomer.given_up:
            del self._newcomers[user]


def _is_hopeless(newcomer: _Newcomer, now: float) -> bool:
    enough = CROWDED_SECONDS if len(newcomer.waiting) >= CROWD else FULL_SECONDS
    return newcomer.full_since is not None and now - newcomer.full_since >= enough
