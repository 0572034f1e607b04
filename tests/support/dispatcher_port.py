"""A port for the dispatcher's core that writes down every call, and refuses those that a broker would punish.

A tag that is answered twice, or was never delivered, closes a real channel and redelivers a whole partition.
So does nothing here but fail the test.
"""

from dataclasses import dataclass

from dispatcher.core.delivery import Arrival
from dispatcher.core.ports import Port
from shared.message import DeadLetter, Receipt
from shared.wire import Entry


@dataclass(frozen=True, slots=True)
class Ack:
    tag: int
    partition: int = 0


@dataclass(frozen=True, slots=True)
class Nack:
    tag: int
    partition: int = 0


@dataclass(frozen=True, slots=True)
class Declare:
    user: str


@dataclass(frozen=True, slots=True)
class Consume:
    user: str
    partition: int = 0


@dataclass(frozen=True, slots=True)
class Cancel:
    user: str
    partition: int = 0


@dataclass(frozen=True, slots=True)
class Tell:
    inbox: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Probe:
    inbox: str


@dataclass(frozen=True, slots=True)
class Record:
    ticket: int
    user: str
    tag: int
    letter: DeadLetter | None = None
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Enter:
    partition: int


@dataclass(frozen=True, slots=True)
class Leave:
    partition: int


@dataclass(frozen=True, slots=True)
class TakeNoMore:
    partition: int


Call = Ack | Nack | Declare | Consume | Cancel | Tell | Probe | Record | Enter | Leave | TakeNoMore


class Recorder(Port):
    """`calls` in their order. `open` are the partitions whose channel is open, `held` the tags out on each."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.open: set[int] = set()
        self.held: set[tuple[int, int]] = set()
        self.consuming: dict[str, int] = {}
        self.quiet: set[int] = set()

    def take(self) -> list[Call]:
        """The calls since the last time."""
        calls, self.calls = self.calls, []
        return calls

    def delivered(self, partition: int, tag: int) -> None:
        """The broker handed this tag out."""
        self.held.add((partition, tag))

    def closed(self, partition: int) -> None:
        """The broker closed the partition's channel."""
        self.open.discard(partition)
        self.held = {(p, tag) for p, tag in self.held if p != partition}
        self.consuming = {user: p for user, p in self.consuming.items() if p != partition}

    def ack(self, partition: int, tag: int) -> None:
        self._answer(partition, tag)
        self.calls.append(Ack(tag, partition))

    def nack(self, partition: int, tag: int) -> None:
        self._answer(partition, tag)
        self.calls.append(Nack(tag, partition))

    def declare(self, user: str) -> None:
        self.calls.append(Declare(user))

    def consume(self, partition: int, user: str) -> None:
        assert partition in self.open, f"partition {partition} has no channel"
        assert user not in self.consuming, f"{user} is consumed already"
        self.consuming[user] = partition
        self.calls.append(Consume(user, partition))

    def cancel(self, partition: int, user: str) -> None:
        assert partition in self.open, f"partition {partition} has no channel"
        assert self.consuming.get(user) == partition, f"{user} is not consumed"
        del self.consuming[user]
        self.calls.append(Cancel(user, partition))

    def tell(self, inbox: str, entry: Entry) -> None:
        self.calls.append(Tell(inbox, entry))

    def probe(self, inbox: str) -> None:
        self.calls.append(Probe(inbox))

    def record(
        self, ticket: int, user: str, arrival: Arrival, letter: DeadLetter | None, receipt: Receipt | None
    ) -> None:
        assert any(tag == arrival.tag for _, tag in self.held), f"tag {arrival.tag} is not out"
        self.calls.append(Record(ticket, user, arrival.tag, letter, receipt))

    def take_no_more(self, partition: int) -> None:
        assert partition in self.open, f"partition {partition} has no channel"
        self.quiet.add(partition)
        self.calls.append(TakeNoMore(partition))

    def enter(self, partition: int) -> None:
        assert partition not in self.open, f"partition {partition} has a channel already"
        self.open.add(partition)
        self.calls.append(Enter(partition))

    def leave(self, partition: int) -> None:
        assert partition in self.open, f"partition {partition} has no channel"
        self.closed(partition)
        self.calls.append(Leave(partition))

    def _answer(self, partition: int, tag: int) -> None:
        assert partition in self.open, f"partition {partition} has no channel"
        assert (partition, tag) in self.held, f"tag {tag} is not out on partition {partition}"
        self.held.remove((partition, tag))
