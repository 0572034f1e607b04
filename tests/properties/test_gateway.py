"""The gateway's sessions, whatever clients, dispatchers, the link and the clock do, in any order.

The model keeps what each client sees, and what each session owes to whom; every call of the core is checked
against it as it is made.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.core.sessions import Sessions
from shared.wire import NULL, Batch, Forward, Lease, LeaseKind, Outcome, OutcomeKind, Settled
from tests.support.gateway_core import Recorder

WINDOW = 3
TIMEOUT = 30.0
names = st.integers(0, 2).map("s{}".format)
messages = st.integers(0, 9).map("m{}".format)
dispatchers = st.sampled_from(["d1", "d2"])


@dataclass
class Client:
    """`shown` was emitted and has no callback yet, `owed` wants an outcome at that address, `queue` waits for room."""

    confirmed: dict[str, bytes]
    shown: dict[str, None] = field(default_factory=dict)
    owed: dict[str, str] = field(default_factory=dict)
    queue: dict[str, None] = field(default_factory=dict)


class Checked(Recorder):
    """Looks at each call when it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: dict[str, Client] = {}
        self.revs: dict[str, int] = {}
        self.up = False
        self.expected: dict[tuple[str, str], OutcomeKind] = {}

    def emit(self, session: str, message: str, event: bytes, attachment: bytes | None) -> None:
        client = self.clients[session]
        assert message not in client.shown, "it is in flight"
        assert message not in client.confirmed, "it was confirmed"
        assert message in client.owed, "nobody wants it"
        assert len(client.shown) < WINDOW, "the window is full"
        assert message == next(iter(client.queue)), "it overtakes"
        del client.queue[message]
        client.shown[message] = None

    def report(self, reply: str, outcome: Outcome) -> None:
        client = self.clients.get(outcome.session)
        if client is None:
            assert outcome.kind is OutcomeKind.GONE
            assert self.expected.pop((outcome.session, outcome.message)) is OutcomeKind.GONE
            return
        assert client.owed.pop(outcome.message) == reply, "told to somebody who did not ask last"
        assert outcome.message not in client.queue, "an outcome of what the client was never sent"
        if outcome.kind is OutcomeKind.UNCONFIRMED:
            assert outcome.message in client.shown
        else:
            assert self.expected.pop((outcome.session, outcome.message)) is outcome.kind
        if outcome.kind is OutcomeKind.CONFIRMED:
            assert outcome.value == client.confirmed[outcome.message]

    def cut(self, session: str, why: str) -> None:
        assert self.clients[session].shown, "a client that owes nothing"
        del self.clients[session]

    def announce(self, lease: Lease) -> None:
        assert self.up, "the link is down"
        assert lease.rev > self.revs.get(lease.session, 0), "a rev that is not higher"
        assert (lease.kind is LeaseKind.OPEN) == (lease.session in self.clients)
        self.revs[lease.session] = lease.rev


class Gateway(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.port = Checked()
        self.core = Sessions(self.port, confirm_timeout=TIMEOUT, limit=0)
        self.now = 0.0
        self.opened = 0

    @property
    def clients(self) -> dict[str, Client]:
        return self.port.clients

    def name(self, wish: str) -> str:
        """Session ids are never used twice: the wish picks among those that are here."""
        here = list(self.clients)
        return here[int(wish[1:]) % len(here)] if here else "s-none"

    @precondition(lambda self: len(self.clients) < 3)
    @rule(seen=st.sets(messages, max_size=3))
    def open(self, seen: set[str]) -> None:
        self.opened += 1
        name = f"session{self.opened}"
        self.clients[name] = Client(dict.fromkeys(sorted(seen), NULL))
        self.core.open(name, "alice", sorted(seen), self.now, self.now)

    @rule(wish=names)
    def close(self, wish: str) -> None:
        name = self.name(wish)
        self.clients.pop(name, None)
        self.core.close(name, self.now)
        self.core.close(name, self.now)

    @rule()
    def link_up(self) -> None:
        self.port.up = True
        self.core.link_up("inbox", self.now)

    @rule()
    def link_down(self) -> None:
        self.port.up = False
        for client in self.clients.values():
            for message in client.queue:
                del client.owed[message]  # forwarded again after the reconnect
            client.queue.clear()
        self.core.link_down(self.now)

    @rule(wishes=st.lists(names, min_size=1, max_size=3), what=st.lists(messages, max_size=6), reply=dispatchers)
    def forward(self, wishes: list[str], what: list[str], reply: str) -> None:
        to = tuple(dict.fromkeys([self.name(wish) for wish in wishes] + ["stranger"] * (len(what) % 2)))
        for message in what:
            for name in to:
                self.expect(name, message, reply)
            self.core.batch(Batch(reply, WINDOW, (Forward("alice", message, to, b"{}"),)), self.now)

    def expect(self, name: str, message: str, reply: str) -> None:
        client = self.clients.get(name)
        if client is None:
            self.port.expected[name, message] = OutcomeKind.GONE
            return
        client.owed[message] = reply
        if message in client.confirmed:
            self.port.expected[name, message] = OutcomeKind.CONFIRMED
        elif message not in client.shown:
            client.queue.setdefault(message)

    @rule(wish=names, message=messages)
    def settle(self, wish: str, message: str) -> None:
        name = self.name(wish)
        if name in self.clients:
            self.clients[name].queue.pop(message, None)
            self.clients[name].owed.pop(message, None)
        self.core.batch(Batch("d1", WINDOW, (Settled("alice", message, (name,)),)), self.now)

    @rule(wish=names, which=st.integers(0, 2), value=st.sampled_from([NULL, b"1"]))
    def confirm(self, wish: str, which: int, value: bytes) -> None:
        name = self.name(wish)
        client = self.clients.get(name)
        if client is None or not client.shown:
            self.core.answered(name, f"m{which}", value, "", self.now)
            return
        message = list(client.shown)[which % len(client.shown)]
        del client.shown[message]
        client.confirmed[message] = value
        if message in client.owed:
            self.port.expected[name, message] = OutcomeKind.CONFIRMED
        self.core.answered(name, message, value, "", self.now)

    @rule(wish=names, which=st.integers(0, 2))
    def refuse(self, wish: str, which: int) -> None:
        name = self.name(wish)
        client = self.clients.get(name)
        if client is None or not client.shown:
            return
        message = list(client.shown)[which % len(client.shown)]
        del client.shown[message]
        if message in client.owed:
            self.port.expected[name, message] = OutcomeKind.REFUSED
        self.core.refused(name, message, "no", self.now)

    @rule(seconds=st.sampled_from([0.25, 1.0, 60.0]))
    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.core.tick(self.now)

    @rule()
    def a_quiet_minute(self) -> None:
        """Whoever owes the same for a minute is cut."""
        before = {name: client for name, client in self.clients.items() if client.owed}
        for _ in range(61):
            self.now += 1.0
            self.core.tick(self.now)
        # A stall before may have moved their time by a minute more, no further.
        self.tick_on(60)
        assert not [name for name, client in before.items() if self.clients.get(name) is client]

    def tick_on(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self.core.tick(self.now)

    @invariant()
    def everything_that_was_asked_for_got_its_outcome_or_is_still_on_its_way(self) -> None:
        assert not self.port.expected
        for name, client in self.clients.items():
            assert set(client.owed) <= set(client.shown) | set(client.queue), name
            assert not client.queue or len(client.shown) == WINDOW, "it waits although there is room"
        assert len(self.core) == len(self.clients)
        assert set(self.core._users) == ({"alice"} if self.clients else set())
        assert self.core.in_flight() == sum(
            len(client.owed.keys() - client.queue.keys()) for client in self.clients.values()
        )

    @invariant()
    def the_sums_of_what_became_of_forwards_hold(self) -> None:
        ledger = self.core.ledger
        waiting = sum(len(client.queue) for client in self.clients.values())
        assert (self.core.waiting(), self.core.out()) == (waiting, sum(len(c.shown) for c in self.clients.values()))
        assert ledger.emitted == ledger.confirmed + ledger.refused + ledger.unanswered + self.core.out()
        kept = ledger.emitted + ledger.known + ledger.repeated + ledger.strangers + ledger.withdrawn
        assert ledger.forwarded == kept + waiting

    def teardown(self) -> None:
        """Clients that confirm everything get everything."""
        if not hasattr(self, "core"):
            return
        for client in list(self.clients.values()):
            for _ in range(100):
                if client.shown:
                    self.confirm(f"s{list(self.clients.values()).index(client)}", 0, NULL)
            assert not client.owed
            assert not client.queue


Gateway.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestGateway = Gateway.TestCase
