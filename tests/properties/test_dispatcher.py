"""The dispatcher's partitions and users, whatever gateways, the broker and the clock do, in any order.

`Office` judges every call; here are the facts, what must hold between them, and that all ends well.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dispatcher.core.dispatcher import Dispatcher
from dispatcher.core.user import Stage
from shared.wire import Outcome, OutcomeKind
from tests.properties.office import PARTITIONS, WINDOW, Office, home

users = st.sampled_from(["alice", "alice", "alice", "bob"])
inboxes = st.sampled_from(["g1", "g2"])
partitions = st.integers(0, PARTITIONS - 1)
picks = st.integers(0, 50)
prompt = st.sampled_from([True, True, True, False])
"""Whether what was said is heard at once. Mostly, so that a run gets deep."""
rarely = st.sampled_from([False] * 5 + [True])


class World(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.office = Office()
        self.core = Dispatcher(
            self.office,
            window=WINDOW,
            max_attempts=2,
            linger_seconds=2.0,
            hold_seconds=200.0,
            lease_seconds=1e9,
            partitions=PARTITIONS,
        )
        self.now = 0.0
        self.made = 0
        self.core.start(self.now)
        self.opens("alice", "g1", prompt=True)
        self.opens("bob", "g2", prompt=True)
        self.settle_down()
        self.time_passes(0.3)
        while self.office.declaring:
            self.a_queue_is_declared()

    # --- gateways --------------------------------------------------------------------------

    @precondition(lambda self: len(self.office.sessions) < 6)
    @rule(user=users, inbox=inboxes, prompt=prompt)
    def opens(self, user: str, inbox: str, prompt: bool) -> None:
        self.made += 1
        self.office.begin(f"s{self.made}", user, inbox)
        if prompt:
            self.leases_come(home(user))

    @precondition(lambda self: self.office.sessions)
    @rule(pick=picks, prompt=prompt)
    def closes(self, pick: int, prompt: bool) -> None:
        session = self.session(pick)
        user = self.office.owners[session]
        self.office.end(session)
        if prompt:
            self.leases_come(home(user))

    @rule(user=users, seconds=st.sampled_from([1.0, 2.1]), returns=st.booleans())
    def everybody_leaves(self, user: str, seconds: float, returns: bool) -> None:
        for session in [name for name, known in self.office.sessions.items() if known.user == user]:
            self.office.end(session)
        self.leases_come(home(user))
        self.time_passes(seconds)
        if returns:
            self.opens(user, "g1", prompt=True)

    @rule(user=users, comes=st.sampled_from([True, True, False]))
    def everybody_refuses_the_oldest(self, user: str, comes: bool) -> None:
        """A burial is under way, and often somebody comes in the middle of it."""
        for message in [item.id for item in self.office.out.values() if item.user == user and not item.bad][:1]:
            for session in [name for name, known in self.office.sessions.items() if known.user == user]:
                self.outcome(session, message, OutcomeKind.REFUSED)
        if comes:
            self.opens(user, "g2", prompt=True)

    @precondition(lambda self: self.office.sessions)
    @rule(pick=picks, inbox=st.none() | inboxes, prompt=prompt)
    def announces_again(self, pick: int, inbox: str | None, prompt: bool) -> None:
        session = self.session(pick)
        self.office.announce(session, inbox)
        if prompt:
            self.leases_come(home(self.office.owners[session]))

    @rule(user=users, fault=picks)
    def something_goes_wrong(self, user: str, fault: int) -> None:
        match fault:
            case 1 | 2:
                self.inbox_is_gone("g1")
            case 3:
                self.office.put_lease(home(user), b"9\n{}")
            case 4 if user in self.office.consuming:
                self.office.delete_queue(user)
                self.office.last_nack.clear()
                self.core.consumer_lost(user, self.now)
            case 5:
                self.core.dispatchers(2, self.now)
            case _ if fault < 10 and home(user) in self.office.open:
                self.office.closed(home(user))
                self.core.partition_lost(home(user), self.now)

    def inbox_is_gone(self, inbox: str) -> None:
        self.made += 1
        self.core.returned(inbox, self.now)
        for name, known in self.office.sessions.items():
            if known.inbox == inbox:
                self.office.announce(name, f"g{self.made}x")

    @rule(who=picks, kind=st.sampled_from([OutcomeKind.CONFIRMED, OutcomeKind.REFUSED, *OutcomeKind]), late=rarely)
    def answers(self, who: int, kind: OutcomeKind, late: bool) -> None:
        """Late: about anything that anybody was ever told; else about what is out, by who can still say."""
        out = {(item.user, item.id) for item in self.office.out.values()}
        can = sorted(
            (session, message)
            for session, told in self.office.told.items()
            for message in told
            if late or (session in self.office.sessions and (self.office.owners[session], message) in out)
        )
        if can and (kind is not OutcomeKind.GONE or can[who % len(can)][0] not in self.office.sessions):
            self.outcome(*can[who % len(can)], kind)

    # --- the broker ------------------------------------------------------------------------

    @rule(user=users, copy=rarely, bad=rarely, wants_receipt=rarely, many=st.integers(1, 4), prompt=prompt)
    def published(self, user: str, copy: bool, bad: bool, wants_receipt: bool, many: int, prompt: bool) -> None:
        out = [item.id for item in self.office.out.values() if item.user == user]
        for _ in range(many):
            self.made += 1
            message = out[0] if copy and out else f"m{self.made}"
            self.office.publish(user, message, bad=bad, wants_receipt=wants_receipt)
        if prompt:
            self.messages_come(user, 4, redelivered=False)

    @rule(partition=partitions)
    def leases_come(self, partition: int) -> None:
        while partition in self.office.open and self.office.leases[partition]:
            tag, body = self.office.next_lease(partition)
            self.core.leased(partition, tag, body, self.now)

    @rule(user=users, many=st.integers(1, 4), redelivered=st.booleans())
    def messages_come(self, user: str, many: int, redelivered: bool) -> None:
        for _ in range(many):
            if self.office.may_deliver(user):
                arrival = self.office.next_message(user, redelivered=redelivered)
                self.core.arrived(home(user), user, arrival, self.now)

    @rule(order=st.lists(picks, min_size=1, max_size=3))
    def answers_come(self, order: list[int]) -> None:
        for pick in order:
            self.answer_comes(pick)

    def answer_comes(self, pick: int) -> None:
        """To one of the questions that the core asked of the broker."""
        acts = [
            act
            for act, questions in (
                (self.a_queue_is_declared, self.office.declaring),
                (self.a_consumer_is_cancelled, self.office.cancelling),
                (self.a_record_is_safe, self.office.records),
                (self.a_partition_is_left, self.office.leaving),
            )
            if questions
        ]
        if acts:
            acts[pick % len(acts)]()

    def a_queue_is_declared(self) -> None:
        self.core.declared(self.office.declaring.pop(0), self.now)

    def a_consumer_is_cancelled(self) -> None:
        self.office.last_nack.clear()
        self.core.cancelled(self.office.cancelling.pop(0), self.now)

    def a_record_is_safe(self) -> None:
        ticket = next(iter(self.office.records))
        self.office.safe.add(self.office.records.pop(ticket))
        self.core.recorded(ticket, self.now)

    def a_partition_is_left(self) -> None:
        self.core.left(self.office.leaving.pop(0), self.now)

    @rule(seconds=st.sampled_from([0.05, 0.3, 0.3, 0.3, 1.1, 1.1, 2.1, 50.0]))
    def a_while_goes_by(self, seconds: float) -> None:
        for partition in range(PARTITIONS):
            self.leases_come(partition)
        self.time_passes(seconds)

    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.core.tick(self.now)

    # --- what holds ------------------------------------------------------------------------

    @invariant()
    def every_tag_that_is_out_is_accounted_for(self) -> None:
        """A tag that nobody has in mind would stay out for ever; one that is not out would close the channel."""
        tags = set(self.office.records.values())
        for partition in self.core._partitions:
            tags.update(partition._strangers)
            tags.update(session.lease for session in partition.sessions.values())
        for user in self.core.users:
            tags.update(arrival.tag for flight in user.flights.values() for arrival in flight.arrivals)
        assert tags == {tag for _, tag in self.office.held}

    @invariant()
    def the_sum_of_what_became_of_deliveries_holds(self) -> None:
        ledger = self.core._books.ledger
        assert self.core.held == len(self.office.out)
        assert ledger.taken == ledger.settled + ledger.given_back + ledger.cut_off + self.core.held
        assert ledger.confirmed <= sum(ledger.waited.counts)  # a receipt may still be on its way

    @invariant()
    def sessions_wait_for_what_is_in_flight_and_for_nothing_else(self) -> None:
        for user in self.core.users:
            for flight in user.flights.values():
                assert flight.waiting_on <= user.sessions.keys()
            for session in user.sessions.values():
                assert set(session.pending) <= user.flights.keys()
                assert all(session.id in user.flights[message].waiting_on for message in session.pending)

    @invariant()
    def whoever_is_here_was_sent_all_that_is_in_flight(self) -> None:
        for user in self.core.users:
            if user.stage is Stage.CONSUMING:
                for name in user.sessions.keys() - user._held.keys():
                    assert user.flights.keys() <= self.office.told.get(name, set())

    @invariant()
    def the_tables_agree(self) -> None:
        consuming = {user.name for user in self.core.users if user.stage is Stage.CONSUMING}
        assert consuming == self.office.consuming.keys()
        assert not any(user.absent for user in self.core.users)
        known = {session for user in self.core.users for session in user.sessions}
        assert known == {session for partition in self.core._partitions for session in partition.sessions}
        assert {s.id for inbox in self.core._inboxes._sessions.values() for s in inbox.values()} == known

    # --- and how it ends -------------------------------------------------------------------

    def teardown(self) -> None:
        """Once nothing goes wrong any more, everything reaches who is here, and then everybody is forgotten."""
        if not hasattr(self, "core"):
            return
        for queue in self.office.leases.values():
            queue[:] = [lease for lease in queue if not lease[1].startswith(b"9")]
        self.opens("alice", "g1", prompt=True)
        self.opens("bob", "g2", prompt=True)
        for _ in range(100):
            self.settle_down()
            if not self.office.out and not any(self.office.ready.values()):
                break
        assert not self.office.out
        assert not any(self.office.ready.values())
        for session in list(self.office.sessions):
            self.office.end(session)
        for _ in range(20):
            self.settle_down()
        assert (self.core.sessions, list(self.core.users), self.core.recording) == (0, [], 0)
        assert not self.office.held
        assert self.core.in_flight == 0

    def settle_down(self) -> None:
        """Every open question is answered once; clients confirm what is out."""
        for partition in range(PARTITIONS):
            self.leases_come(partition)
        self.time_passes(2.1)
        for act, open_questions in (
            (self.a_partition_is_left, self.office.leaving),
            (self.a_queue_is_declared, self.office.declaring),
            (self.a_consumer_is_cancelled, self.office.cancelling),
        ):
            while open_questions:
                act()
        for user in ("alice", "bob"):
            self.messages_come(user, 4, redelivered=False)
        for session in list(self.office.sessions):
            for item in list(self.office.out.values()):
                if item.user == self.office.sessions[session].user and item.id in self.office.told.get(session, ()):
                    self.outcome(session, item.id, OutcomeKind.CONFIRMED)
        while self.office.records:
            self.a_record_is_safe()

    def session(self, pick: int) -> str:
        return sorted(self.office.sessions)[pick % len(self.office.sessions)]

    def outcome(self, session: str, message: str, kind: OutcomeKind) -> None:
        user = self.office.owners[session]
        if kind is OutcomeKind.CONFIRMED:
            self.office.confirming = (user, message)
            self.office.confirmed.add((user, message))
        self.core.outcomes([Outcome(user, message, session, kind)], self.now)
        self.office.confirming = None


World.TestCase.settings = settings(max_examples=80, stateful_step_count=80, deadline=None)
TestDispatcher = World.TestCase
