"""A simulated Socket.IO client and its socket: it confirms, refuses, falls silent, vanishes and comes back."""

from enum import StrEnum
from typing import TYPE_CHECKING

from tests.simulation.history import Violation

if TYPE_CHECKING:
    from tests.simulation.gateway import GatewayNode
    from tests.simulation.world import World


class Mood(StrEnum):
    """How a client answers. FORGETFUL skips some messages for ever, while it is connected."""

    GOOD = "good"
    SLOW = "slow"
    SILENT = "silent"
    FORGETFUL = "forgetful"
    PICKY = "picky"


class Socket:
    """A WebSocket between a client and a gateway: both directions in order, either side may be gone unnoticed."""

    def __init__(self, world: "World", client: "Client", gateway: "GatewayNode", session: str) -> None:
        self._world = world
        self._client = client
        self._gateway = gateway
        self.session = session
        self.user = client.user
        self.severed = False
        self.accepted = False
        self.in_flight: dict[str, None] = {}  # emitted and not answered, as the gateway sees it
        self._up = 0.0
        self._down = 0.0

    def login(self, seen: list[str]) -> None:
        self._to_gateway(lambda: self._gateway.login(self, seen))

    def to_client(self, message: str, uid: int) -> None:
        self._down = max(self._down, self._world.now + self._world.delay())
        self._world.at(self._down, lambda: self._client.received(self, message, uid) if not self.severed else None)

    def confirm(self, message: str, key: str) -> None:
        self._to_gateway(lambda: self._answered(message, key))

    def refuse(self, message: str) -> None:
        self._to_gateway(lambda: self._answered(message, None))

    def _answered(self, message: str, key: str | None) -> None:
        if message in self.in_flight:
            del self.in_flight[message]
            if key is None:
                self._gateway.refused(self.session, message)
            else:
                self._gateway.confirmed(self.session, message, key)

    def _to_gateway(self, act: object) -> None:
        self._up = max(self._up, self._world.now + self._world.delay())

        def arrive() -> None:
            if not self.severed and callable(act):
                self._gateway.soon(act)

        self._world.at(self._up, arrive)

    def close_from_client(self) -> None:
        """What the client said before is still heard; then the gateway notices the end."""
        self._to_gateway(lambda: self._gateway.socket_gone(self.session))

    def close_from_gateway(self) -> None:
        self._down = max(self._down, self._world.now + self._world.delay())
        self._world.at(self._down, lambda: self._client.disconnected(self))

    def replace(self) -> None:
        self._down = max(self._down, self._world.now + self._world.delay())
        self._world.at(self._down, lambda: None if self.severed else self._client.replaced(self))

    def evict(self) -> None:
        self._down = max(self._down, self._world.now + self._world.delay())
        self._world.at(self._down, lambda: None if self.severed else self._client.evicted(self))

    def gateway_died(self) -> None:
        self.severed = True
        self._world.later(self._world.delay(), lambda: self._client.disconnected(self))

    def sever(self) -> None:
        """Nothing passes any more; pings tell each side in its own time."""
        self.severed = True
        self._world.later(self._world.random.uniform(0.1, 18), lambda: self._client.disconnected(self))
        self._world.later(
            self._world.random.uniform(5, 18),
            lambda: self._gateway.soon(lambda: self._gateway.socket_gone(self.session)),
        )


class Client:
    """A device of a user. One that `remembers` hands over `seen` when it reconnects."""

    def __init__(self, world: "World", name: str, user: str, *, remembers: bool) -> None:
        self._world = world
        self.name = name
        self.user = user
        self.remembers = remembers
        self.mood = Mood.GOOD
        self.wanted = False  # whether it wants to be online
        self.socket: Socket | None = None
        self._handled: dict[str, None] = {}
        self._connections = 0

    def go_online(self) -> None:
        self.wanted = True
        if self.socket is not None:
            return
        gateway = self._world.some_gateway()
        if gateway is None:
            self._world.later(self._world.random.uniform(0.1, 1.0), self._come_back)
            return
        self._connections += 1
        self.socket = Socket(self._world, self, gateway, f"{self.name}-{self._connections}")
        self.mood = self._world.mood()
        seen = list(self._handled)[-256:] if self.remembers else []
        for message in seen:
            self._world.history.client_confirmed(self.user, message)
        self.socket.login(seen)
        socket = self.socket
        self._world.later(5.0, lambda: None if socket.accepted else self._give_up(socket))

    def go_offline(self) -> None:
        self.wanted = False
        if self.socket is not None:
            self.socket.close_from_client()
            self.socket = None

    def vanish(self) -> None:
        """The network under it is gone, and it will be back on another one before the gateway noticed."""
        if self.socket is not None:
            self.socket.sever()
            if self._world.random.random() < 0.7:
                self.socket = None
                self._world.later(self._world.random.uniform(0, 3), self._come_back)

    def disconnected(self, socket: Socket) -> None:
        if self.socket is socket:
            self.socket = None
            self._world.later(self._world.random.uniform(0.05, 2.0), self._come_back)

    def _give_up(self, socket: Socket) -> None:
        """Its connect timeout."""
        socket.close_from_client()
        self.disconnected(socket)

    def replaced(self, socket: Socket) -> None:
        """Told to stay away, for another session of its user."""
        self.wanted = False
        self.disconnected(socket)

    def evicted(self, socket: Socket) -> None:
        """Told to stay away, by an operator; when all is to be well again its application connects anew."""
        self.wanted = self._world.healing
        self.disconnected(socket)

    def received(self, socket: Socket, message: str, uid: int) -> None:
        if self.socket is not socket:
            return
        post = self._world.history.posts[uid]
        if self.remembers and post.message_id in self._handled:
            raise Violation(f"I4: {self.name} hands over what it has seen and is sent {post.key} again")
        chance = self._world.random.random()
        if post.poison or self.mood is Mood.SILENT or (self.mood is Mood.FORGETFUL and chance < 0.2):
            return
        if self.mood is Mood.PICKY and chance < 0.2:
            self._world.later(self._world.random.uniform(0, 0.2), lambda: self._refuse(socket, message))
            return
        pause = 2.0 if self.mood is Mood.SLOW else 0.05
        self._world.later(self._world.random.uniform(0, pause), lambda: self._confirm(socket, message, uid))

    def _confirm(self, socket: Socket, message: str, uid: int) -> None:
        if self.socket is not socket:
            return
        post = self._world.history.posts[uid]
        self._world.history.client_confirmed(self.user, post.key)
        if post.message_id is not None:
            self._handled.pop(post.message_id, None)
            self._handled[post.message_id] = None
        socket.confirm(message, post.key)

    def _refuse(self, socket: Socket, message: str) -> None:
        if self.socket is socket:
            socket.refuse(message)

    def _come_back(self) -> None:
        if self.wanted and self.socket is None:
            self.go_online()
