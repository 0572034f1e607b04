"""First contact under any interleaving: nothing lost, nothing acked too early, nobody stuck, order kept."""

from collections import defaultdict
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dispatcher.core.quota import Quota
from dispatcher.core.unrouted import FULL_SECONDS, RETRY_SECONDS, STEADY_SECONDS, Unrouted
from shared.message import DeadLetter, Reason
from shared.names import is_user_id

users = st.sampled_from(["alice", "bob", "carol", "not a user"])


class MeanQuota(Quota):
    """Grants every other queue, so that few messages are enough to exceed it."""

    tries = 0

    def take(self, sender: str, now: float) -> str:
        self.tries += 1
        return "too many" if self.tries % 2 else ""


class FirstContact(RuleBasedStateMachine):
    """The port is this machine: it answers when and in the order that Hypothesis likes."""

    def __init__(self) -> None:
        super().__init__()
        self.contact = Unrouted(self, MeanQuota())
        self.now = 0.0
        self.tags = 0
        self.user_of: dict[int, str] = {}
        self.senders: dict[int, str | None] = {}
        self.held: set[int] = set()
        self.safe: set[int] = set()
        self.moving: list[int] = []
        self.burying: list[int] = []
        self.declaring: list[str] = []
        self.binding: list[str] = []
        self.exists: set[str] = set()
        self.bound_users: set[str] = set()
        self.queues: defaultdict[str, list[int]] = defaultdict(list)
        self.found_full: set[str] = set()
        self.failures = False

    # --- the port -------------------------------------------------------------------------

    def declare(self, user: str) -> None:
        self.declaring.append(user)

    def move(self, user: str, tag: int) -> None:
        assert user in self.exists, "moved before its queue was declared"
        assert self.user_of[tag] == user
        assert tag not in self.moving
        self.moving.append(tag)

    def bind(self, user: str) -> None:
        assert user in self.exists, "bound before its queue was declared"
        self.binding.append(user)

    def bury(self, tag: int, user: str, letter: DeadLetter) -> None:
        if letter.reason is Reason.QUEUE_FULL:
            assert user in self.found_full
        else:
            assert not is_user_id(user) or self.senders[tag] is not None
            assert user not in self.exists
        self.burying.append(tag)

    def ack(self, tag: int) -> None:
        assert tag in self.safe, "acked before it was safe elsewhere"
        self.held.remove(tag)

    # --- what can happen ------------------------------------------------------------------

    @rule(user=users, many=st.integers(1, 5), sender=st.sampled_from([None, "dave", "mallory"]))
    def messages_come(self, user: str, many: int, sender: str | None) -> None:
        for _ in range(many):
            self.tags += 1
            self.user_of[self.tags] = user
            self.held.add(self.tags)
            self.senders[self.tags] = sender
            self.contact.arrived(user, self.tags, self.now, sender)

    @precondition(lambda self: self.declaring)
    @rule(which=st.randoms())
    def a_queue_is_declared(self, which: Random) -> None:
        user = self.declaring.pop(which.randrange(len(self.declaring)))
        self.exists.add(user)
        self.contact.declared(user, self.now)

    @precondition(lambda self: self.moving)
    @rule()
    def the_broker_confirms_a_move(self) -> None:
        tag = self.moving.pop(0)
        self.queues[self.user_of[tag]].append(tag)
        self.safe.add(tag)
        self.contact.moved(tag, self.now)

    @precondition(lambda self: self.moving)
    @rule(which=st.randoms())
    def a_move_fails(self, which: Random) -> None:
        self.failures = True
        self.contact.failed(self.moving.pop(which.randrange(len(self.moving))), self.now)

    @precondition(lambda self: self.moving)
    @rule(which=st.randoms())
    def a_queue_is_full(self, which: Random) -> None:
        self.failures = True
        tag = self.moving.pop(which.randrange(len(self.moving)))
        self.found_full.add(self.user_of[tag])
        self.contact.refused(tag, self.now)

    @precondition(lambda self: self.burying)
    @rule()
    def a_burial_is_confirmed(self) -> None:
        tag = self.burying.pop(0)
        self.safe.add(tag)
        self.contact.moved(tag, self.now)

    @precondition(lambda self: self.binding)
    @rule()
    def a_queue_is_bound(self) -> None:
        user = self.binding.pop(0)
        self.bound_users.add(user)
        self.contact.bound(user, self.now)

    @rule(seconds=st.sampled_from([0.05, 0.15, RETRY_SECONDS, STEADY_SECONDS]))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds
        self.contact.tick(self.now)

    # --- what must hold -------------------------------------------------------------------

    @invariant()
    def what_is_held_is_counted(self) -> None:
        assert len(self.contact) == len(self.held)

    @invariant()
    def without_failures_each_queue_is_in_order_and_holds_nothing_twice(self) -> None:
        if not self.failures:
            for queue in self.queues.values():
                assert queue == sorted(set(queue))

    def teardown(self) -> None:
        """Once the broker answers everything, nothing is left over and every user's queue is bound."""
        for _ in range(20):
            while self.declaring or self.moving or self.burying or self.binding:
                if self.declaring:
                    user = self.declaring.pop()
                    self.exists.add(user)
                    self.contact.declared(user, self.now)
                if self.moving:
                    self.the_broker_confirms_a_move()
                if self.burying:
                    self.a_burial_is_confirmed()
                if self.binding:
                    self.a_queue_is_bound()
            self.time_goes_by(RETRY_SECONDS)
        self.time_goes_by(FULL_SECONDS)
        assert not self.held
        assert self.safe == set(self.user_of)
        assert self.bound_users == self.exists
        unsent = {user for tag, user in self.user_of.items() if self.senders[tag] is None and is_user_id(user)}
        assert self.bound_users >= unsent
        assert not self.contact._newcomers


TestFirstContact = FirstContact.TestCase
TestFirstContact.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
