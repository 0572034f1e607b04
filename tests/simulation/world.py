"""A small world from a seed: two dispatchers, two gateways, some clients, a broker, and everything that goes wrong.

Virtual time, one event after the other; the invariants are checked as things happen (`history.py`), and once
the faults end everything must have been delivered and nothing be left behind (I1, I7).
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from random import Random

from shared import names
from shared.wire import Lease, LeaseKind, encode_lease
from tests.simulation.broker import Broker
from tests.simulation.channel import Channel
from tests.simulation.client import Client, Mood
from tests.simulation.connection import Connection
from tests.simulation.dispatcher import DispatcherNode, Parcel
from tests.simulation.gateway import GatewayNode
from tests.simulation.history import History, Post, Violation
from tests.simulation.link import Link

FAULT_SECONDS = 40.0
HEAL_SECONDS = 120.0
"""After the last fault: noticing it (16), two deadlines of a dispatcher (25), take-overs, retries, five attempts."""


class World:
    """`renewals`: whether gateways renew leases. They heal, and so hide, faults."""

    window = 4
    max_attempts = 2
    confirm_timeout = 6.0
    hold_seconds = 30.0
    lease_seconds = 900.0
    partitions = 2
    single_active_consumer = True

    def __init__(self, seed: int, *, renewals: bool = False) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.now = 0.0
        self.steps = 0
        self.renew_seconds = 20.0 if renewals else 1e9
        self.session_limit = self.random.choice([0, 0, 0, 1])
        self.history = History(self.window, self._note_expired)
        self._expired_seen = {"alice": 0, "bob": 0}
        self.broker = Broker(quorum_queues=seed % 5 == 4)
        self.links: dict[Connection, Link] = {}
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._notices = 0
        self._uids = count(1)
        self._respawns = count(1)
        self._slow = 0.01
        self.healing = False
        self.users = ["alice", "bob"]
        self._set_up_broker()
        self.dispatchers = [DispatcherNode(self, f"d{n}") for n in range(2)]
        self.gateways = [GatewayNode(self, f"g{n}") for n in range(2)]
        self.clients = [
            Client(self, f"c{n}", self.users[n % 2], remembers=self.random.random() < 0.6) for n in range(3)
        ]

    # --- time ----------------------------------------------------------------------------

    def at(self, when: float, act: Callable[[], None]) -> None:
        heappush(self._heap, (when, next(self._order), act))

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        self.at(self.now + seconds, act)

    def delay(self) -> float:
        """How long something is on its way: mostly short, sometimes very long."""
        return self.random.random() * self._slow if self.random.random() < 0.97 else self.random.random() * 2.0

    def run_until(self, end: float) -> None:
        while self._heap and self._heap[0][0] <= end:
            self._step()
        self.now = end

    def _step(self) -> None:
        self.now, _, act = heappop(self._heap)
        self.broker.advance(self.now)
        act()
        self.steps += 1
        while len(self.broker.pending) > self._notices:
            notice = self.broker.pending[self._notices]
            self._notices += 1
            # each queue learns by itself, but before a new owner starts to consume (TAKE_OVER_SECONDS)
            self.later(self.random.uniform(0, 0.2), lambda notice=notice: self._notify(notice))  # type: ignore[misc]  # a default argument
        if self.broker.spoken:
            self._listen()

    def _listen(self) -> None:
        spoken, self.broker.spoken = self.broker.spoken, {}
        for channel in spoken:
            link = self.links.get(channel.connection)
            while channel.events:
                event = channel.events.popleft()
                if link is not None:
                    link.said(channel, event)

    def _notify(self, notice: object) -> None:
        if notice in self.broker.pending:
            self.broker.run(notice)
            self._notices -= 1

    # --- the broker ----------------------------------------------------------------------

    def _set_up_broker(self) -> None:
        channel = self.broker.connect("set-up").channel()
        for exchange in (names.SESSIONS_EXCHANGE, names.GATEWAYS_EXCHANGE, names.DISPATCHERS_EXCHANGE, names.MESSAGES):
            channel.declare_exchange(exchange, "direct")
        channel.declare_exchange(names.DEAD_LETTERS, "fanout")
        channel.declare_exchange(names.RECEIPTS, "direct")
        for partition in range(self.partitions):
            self.declare_sessions(channel, partition)
            queue = names.sessions_queue(partition)
            channel.bind(queue, names.SESSIONS_EXCHANGE, queue)
        for user in self.users:
            self.declare_user(channel, user)
        self._publisher = self.broker.connect("publisher").channel()

    def declare_sessions(self, channel: Channel, partition: int) -> tuple[int, int] | None:
        return channel.declare_queue(names.sessions_queue(partition), single_active_consumer=True)

    def declare_user(self, channel: Channel, user: str) -> None:
        channel.declare_queue(names.user_queue(user), single_active_consumer=self.single_active_consumer)
        channel.bind(names.user_queue(user), names.MESSAGES, user)

    def partition(self, user: str) -> int:
        return names.partition_of(user) % self.partitions

    def ack(self, channel: Channel, tag: int) -> None:
        """The broker gets an ack: for a message of a user, I2 must hold."""
        if channel.closed:
            return
        post = self._held(channel, tag)
        if post is not None:
            self.history.acked(post)
        channel.ack(tag)
        if channel.closed:
            raise Violation(f"an ack closed the channel: {channel}")

    def nack(self, channel: Channel, tag: int) -> None:
        if channel.closed:
            return
        channel.nack(tag)
        if channel.closed:
            raise Violation(f"a nack closed the channel: {channel}")

    @staticmethod
    def _held(channel: Channel, tag: int) -> Post | None:
        consumer = channel.unacked.get(tag)
        if consumer is None:
            return None
        held = consumer.queue.held.get(channel, {}).get(tag)
        return held.message if held is not None and isinstance(held.message, Post) else None

    def publish(self) -> None:
        user = self.random.choice(self.users)
        if not self.broker.running or names.user_queue(user) not in self.broker.queues:
            return
        uid = next(self._uids)
        chance = self.random.random
        message_id = f"m{uid}" if chance() < 0.85 else None
        if message_id and self.history.posts and chance() < 0.1:
            message_id = self.random.choice(
                list(self.history.posts.values())
            ).message_id  # a publisher that tries again
        post = Post(uid, user, message_id)
        post.poison, post.bad, post.reply_to = chance() < 0.02, chance() < 0.03, chance() < 0.1
        post.expiration = chance() * 20 if chance() < 0.05 else None
        self.history.published(post)
        self._open_publisher().publish(names.MESSAGES, post.user, post)

    def _open_publisher(self) -> Channel:
        if self._publisher.closed:
            self._publisher = self.broker.connect("publisher").channel()
        return self._publisher

    def _note_expired(self, user: str) -> None:
        """The broker dropped messages whose time was up: tell the history."""
        queue = self.broker.queues.get(names.user_queue(user))
        if queue is not None:
            for post in queue.expired[self._expired_seen[user] :]:
                if isinstance(post, Post):
                    self.history.removed(post.uid)
            self._expired_seen[user] = len(queue.expired)

    # --- what goes wrong -----------------------------------------------------------------

    def some_gateway(self) -> GatewayNode | None:
        there = [gateway for gateway in self.gateways if gateway.alive and (gateway.up or self.random.random() < 0.3)]
        return self.random.choice(there) if there else None

    def mood(self) -> Mood:
        if self.healing or self.random.random() < 0.5:
            return Mood.GOOD
        return self.random.choice(list(Mood))

    def run(self) -> None:
        """Faults for a while, then none: everything must be delivered, and at the end nothing be left."""
        for client in self.clients:
            self.later(self.random.uniform(0, 2), client.go_online)
        self.later(0.1, self._life)
        # In some worlds only, and from a seed of their own: who was evicted sees little of the other mishaps.
        evictions = Random(self.seed)
        for _ in range(evictions.randint(1, 4) if self.seed % 4 == 2 else 0):
            user = evictions.choice(self.users)
            self.at(evictions.uniform(1.0, FAULT_SECONDS), lambda user=user: self._evict(user))  # type: ignore[misc]  # a default argument
        drains = Random(self.seed)
        for _ in range(drains.randint(1, 6) if self.seed % 4 == 1 else 0):
            index, patience = drains.randrange(2), drains.choice([0.0, 1.0, 5.0])
            self.at(drains.uniform(1.0, FAULT_SECONDS), lambda i=index, p=patience: self._replace(i, p))  # type: ignore[misc]  # default arguments
        self.run_until(FAULT_SECONDS)
        self._heal()
        self.run_until(FAULT_SECONDS + HEAL_SECONDS)
        self._check_delivered()
        for client in self.clients:
            client.go_offline()
        self.run_until(FAULT_SECONDS + HEAL_SECONDS + 60.0)
        self._check_no_ghosts()

    def _life(self) -> None:
        if self.healing:
            return
        for _ in range(self.random.randint(0, 4)):
            self.publish()
        if self.random.random() < 0.5:
            self.random.choice(self._mishaps())()
        self.later(self.random.uniform(0.05, 1.0), self._life)

    def _mishaps(self) -> list[Callable[[], None]]:
        client = self.random.choice(self.clients)
        index = self.random.randrange(2)
        seconds = self.random.choice([0.5, 3.0, 12.0, 30.0])
        connection = self.random.choice(list(self.broker.connections)) if self.broker.connections else None
        return [
            client.go_online,
            client.go_offline,
            client.vanish,
            lambda: self._respawn(self.dispatchers, index, DispatcherNode),
            lambda: self._respawn(self.gateways, index, GatewayNode),
            lambda: self.dispatchers[index].freeze(seconds),
            lambda: self.gateways[index].freeze(seconds),
            lambda: self._sever(connection),
            lambda: self._close(connection),
            self._restart_broker,
            lambda: self._delete_queue(client.user),
            self._toggle_slowness,
        ]

    def _respawn(self, nodes: list, index: int, kind: type) -> None:  # type: ignore[type-arg]  # either kind
        node = nodes[index]
        if not node.alive:
            return
        node.kill()

        def begin() -> None:
            nodes[index] = kind(self, f"{node.name[:2]}r{next(self._respawns)}")

        self.later(self.random.uniform(0.1, 5.0), begin)

    def _replace(self, index: int, patience: float) -> None:
        """A roll-out: a fresh dispatcher comes, and the old one drains, in whatever state it is."""
        old = self.dispatchers[index]
        if not old.alive:
            return
        self.dispatchers[index] = DispatcherNode(self, f"{old.name[:2]}n{next(self._respawns)}")
        old.drain(patience)
        gateway = self.gateways[index]
        if gateway.alive and patience:
            self.gateways[index] = GatewayNode(self, f"{gateway.name[:2]}n{next(self._respawns)}")
            gateway.drain(patience)

    def _sever(self, connection: Connection | None) -> None:
        if connection in self.links:
            self.links[connection].sever()

    def _close(self, connection: Connection | None) -> None:
        """An operator closes a connection."""
        if connection in self.links and not connection.closed:
            connection.close()
            self.links[connection].closed_by_broker()

    def _restart_broker(self) -> None:
        if self.random.random() < 0.7 or not self.broker.running:
            return
        links = [self.links[connection] for connection in self.broker.connections if connection in self.links]
        self.broker.stop()
        self._notices = 0
        for link in links:
            link.closed_by_broker()
        self.later(self.random.uniform(0.1, 5.0), self.broker.start)

    def _delete_queue(self, user: str) -> None:
        """An operator deletes or purges it: what it held is gone on purpose, unless a client confirms it yet."""
        queue = self.broker.queues.get(names.user_queue(user))
        if queue is None or self.random.random() < 0.6:
            return
        purged = self.random.random() < 0.5
        for post in queue.ready if purged else (*queue.ready, *queue.unacked):
            if isinstance(post, Post):
                self.history.removed(post.uid)
        if purged:
            self.broker.purge_queue(queue.name)
        else:
            self._note_expired(user)
            self.broker.delete_queue(queue.name)
            self._expired_seen[user] = 0

    def _evict(self, user: str) -> None:
        """An operator ends all sessions of a user: their clients stay away until somebody wants them back."""
        if self.broker.running:
            queue = names.sessions_queue(self.partition(user))
            evict = Parcel(encode_lease(Lease(kind=LeaseKind.EVICT, user=user)))
            self._open_publisher().publish(names.SESSIONS_EXCHANGE, queue, evict)

    def _toggle_slowness(self) -> None:
        self._slow = self.random.choice([0.002, 0.01, 0.1, 0.5])

    # --- and then it is well again -------------------------------------------------------

    def _heal(self) -> None:
        self.healing = True
        self._slow = 0.005
        for node in (*self.dispatchers, *self.gateways):
            node.thaw()
        for client in self.clients:
            if client.mood is not Mood.GOOD:
                client.mood = Mood.GOOD
            client.go_online()

    def _check_delivered(self) -> None:
        for user in self.users:
            self._note_expired(user)
            if not any(client.wanted for client in self.clients if client.user == user):
                continue  # each was told to stay away for another, which may have been gone by then
            left = [post for post in self.history.open.get(user, {}).values() if not post.poison]
            if left:
                raise Violation(f"I7: {left[:3]} of {user} were never confirmed; {self.describe(user)}")
            queue = self.broker.queues.get(names.user_queue(user))
            if queue is None:
                raise Violation(f"{user} is here, but has no queue")
            stuck = [post for post in (*queue.ready, *queue.unacked) if isinstance(post, Post) and not post.poison]
            if stuck:
                raise Violation(f"I7: {stuck[:3]} is still in the queue; {self.describe(user)}")
            if queue.dropped:
                raise Violation(f"I1: the broker dropped {queue.dropped}")
        for post in self.history.posts.values():
            settled = (post.user, post.key) in self.history.confirmed or post.uid in self.history.dead
            settled = settled or post.uid in self.history.taken
            queued = self.broker.queues.get(names.user_queue(post.user))
            settled = settled or (queued is not None and post in queued.ready)
            if not settled and not post.poison:
                raise Violation(f"I1: {post} is nowhere")

    def _check_no_ghosts(self) -> None:
        for gateway in self.gateways:
            if len(gateway.core):
                raise Violation(f"{gateway.name} still has {len(gateway.core)} sessions")
        for node in self.dispatchers:
            core = node.generation.core if node.generation else None
            if core is not None and (core.sessions or list(core.users)):
                raise Violation(f"{node.name} still has {core.sessions} sessions and {list(core.users)}")
        for queue in self.broker.queues.values():
            if queue.name.startswith("user.") and queue.consumers:
                raise Violation(f"{queue} is still consumed")
            if queue.name.startswith("sessions.") and (queue.unacked_count or queue.ready_count):
                raise Violation(f"{queue} still has leases")

    def describe(self, user: str) -> str:
        partition = self.partition(user)
        cores = [node.generation.core for node in self.dispatchers if node.generation]
        owners = [core for core in cores if partition in core.owned]
        return f"{self.broker.queues.get(names.user_queue(user))}, owners {[list(core.users) for core in owners]}"
