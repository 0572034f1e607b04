"""How many queues messages of clients may make: each is durable, and a client can think of any number of user ids.

Counted where queues of newcomers are made, because nobody else knows which user is new: a gateway hears the same
confirm of the broker either way. So a client's `send` is answered `ok` (the broker holds the message), and what is
over the quota is found in `dead-letters`. One dispatcher reads `unrouted` at a time, so the count is exact over all
gateways; it starts anew with every reader of the queue.
"""

SENDER_BURST = 100
SENDER_PAUSE_SECONDS = 36.0
"""A hundred strangers at once, as when somebody shares an address book, and a hundred an hour after that."""

ALL_BURST = 10_000
ALL_PAUSE_SECONDS = 3.6
"""A thousand an hour for all senders together. The burst costs a broker about 280 MB and a minute; it is large,
because what clients sent while no dispatcher ran comes at once."""

MOST_SENDERS = 10_000
SENDER_CHARACTERS = 128
"""Of a longer name, which only a publisher can have set, so much counts."""


class Allowance:
    """A token bucket; `now` is monotonic seconds."""

    __slots__ = ("_burst", "_full_at", "_pause")

    def __init__(self, burst: int, pause_seconds: float, now: float) -> None:
        self._burst, self._pause = burst, pause_seconds
        self._full_at = now  # when it is full again: all that there is to remember

    def has_one(self, now: float) -> bool:
        return self._full_at - now <= (self._burst - 1) * self._pause

    def take(self, now: float) -> None:
        self._full_at = max(self._full_at, now) + self._pause

    def is_full(self, now: float) -> bool:
        return self._full_at <= now


class Quota:
    """What each sender and all senders together may still make. Memory is bounded."""

    def __init__(self) -> None:
        self._all: Allowance | None = None
        self._senders: dict[str, Allowance] = {}  # the one that took longest ago first

    def __len__(self) -> int:
        """Senders that are remembered."""
        return len(self._senders)

    def take(self, sender: str, now: float) -> str:
        """Take one queue for a newcomer. Empty if there is one, else what was exceeded, in words."""
        sender = sender[:SENDER_CHARACTERS]
        everyone = self._all = self._all or Allowance(ALL_BURST, ALL_PAUSE_SECONDS, now)
        own = self._senders.get(sender) or Allowance(SENDER_BURST, SENDER_PAUSE_SECONDS, now)
        if not own.has_one(now):
            return f"the sender wrote to more than {SENDER_BURST} users who have no queue"
        if not everyone.has_one(now):
            return f"senders wrote to more than {ALL_BURST} users who have no queue"
        own.take(now)
        everyone.take(now)
        self._senders.pop(sender, None)
        self._senders[sender] = own
        self._forget(now)
        return ""

    def _forget(self, now: float) -> None:
        """A full allowance says no more than none. Beyond the bound the one that took longest ago starts anew."""
        oldest = next(iter(self._senders))
        if self._senders[oldest].is_full(now) or len(self._senders) > MOST_SENDERS:
            del self._senders[oldest]
