"""What happened in a simulated world, and the invariants I1 to I5 checked as it happens."""

from collections.abc import Callable
from dataclasses import dataclass, field


class Violation(AssertionError):
    """An invariant of DESIGN.md does not hold."""


@dataclass(slots=True, eq=False)
class Post:
    """A message as its publisher knows it. `key` is its id, or itself when it has none."""

    uid: int
    user: str
    message_id: str | None
    poison: bool = False
    bad: bool = False
    expiration: float | None = None
    persistent: bool = True
    reply_to: bool = False

    @property
    def key(self) -> str:
        return self.message_id or f"#{self.uid}"


@dataclass(slots=True)
class Memory:
    """What one session has been sent (keys) and knows as confirmed (ids): itself, or by its `seen`."""

    user: str
    sent: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)


class History:
    """`open` has each user's messages that nobody has settled, in the order of the queue."""

    def __init__(self, window: int, note_expired: Callable[[str], None]) -> None:
        self.window = window
        self._note_expired = note_expired
        self.posts: dict[int, Post] = {}
        self.open: dict[str, dict[int, Post]] = {}
        self.confirmed: set[tuple[str, str]] = set()
        self.dead: set[int] = set()
        self.taken: set[int] = set()  # expired, purged or deleted on purpose
        self.receipts: set[int] = set()
        self.sessions: dict[str, Memory] = {}
        self.deliveries = 0

    def published(self, post: Post) -> None:
        """The broker put it in its user's queue."""
        self.posts[post.uid] = post
        if (post.user, post.key) not in self.confirmed:
            self.open.setdefault(post.user, {})[post.uid] = post

    def opened(self, session: str, user: str, seen: list[str]) -> None:
        self.sessions[session] = Memory(user, confirmed=set(seen))

    def emitted(self, session: str, uid: int, in_flight: int) -> None:
        """A gateway sends a message to a session's client: I3, I4 and I5."""
        memory, post = self.sessions[session], self.posts[uid]
        self.deliveries += 1
        if post.user != memory.user:
            raise Violation(f"{post} went to a session of {memory.user}")
        if post.message_id in memory.confirmed:
            raise Violation(f"I4: {session} is sent {post.key}, which it has confirmed")
        if in_flight > self.window:
            raise Violation(f"I5: {session} has {in_flight} in flight")
        if post.key not in memory.sent:
            self._note_expired(memory.user)
            for earlier in self.open.get(post.user, {}).values():
                if earlier.uid >= uid:
                    break
                if earlier.bad or earlier.key in memory.sent or earlier.message_id in memory.confirmed:
                    continue
                raise Violation(f"I3: {session} is first sent {post.key} before {earlier.key}")
        memory.sent.add(post.key)

    def answered(self, session: str, key: str) -> None:
        """The gateway heard the confirmation."""
        self.sessions[session].confirmed.add(key)

    def client_confirmed(self, user: str, key: str) -> None:
        """The client called the callback (or named the id in `seen`)."""
        self.confirmed.add((user, key))
        waiting = self.open.get(user, {})
        for uid in [uid for uid, post in waiting.items() if post.key == key]:
            del waiting[uid]

    def buried(self, uid: int) -> None:
        """`dead-letters` holds it."""
        self.dead.add(uid)
        self._gone(uid)

    def removed(self, uid: int) -> None:
        """It expired, or an operator removed it."""
        self.taken.add(uid)
        self._gone(uid)

    def acked(self, post: Post) -> None:
        """The broker forgets it: I2, and so I1."""
        if post.uid not in self.dead and post.uid not in self.taken and (post.user, post.key) not in self.confirmed:
            raise Violation(f"I2: {post} was acked, but nobody confirmed it")
        if post.reply_to and post.uid not in self.receipts:
            raise Violation(f"I2: {post} was acked before its receipt was out")
        self._gone(post.uid)

    def _gone(self, uid: int) -> None:
        post = self.posts[uid]
        self.open.get(post.user, {}).pop(uid, None)
