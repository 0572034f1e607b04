"""The one client of the small world, which hands over what it has seen, and its sockets, old ones included."""

from collections import deque
from typing import TYPE_CHECKING

from tests.exploration.link import END, Item
from tests.exploration.office import NOW
from tests.simulation.history import Violation

if TYPE_CHECKING:
    from tests.exploration.world import SmallWorld


class Socket:
    """`client` and `gateway` say which side still has it; `severed`: nothing passes, and the gateway does not know."""

    __slots__ = ("client", "down", "gateway", "house", "in_flight", "session", "severed", "up")

    def __init__(self, session: str, house: str) -> None:
        self.session = session
        self.house = house
        self.client = True
        self.gateway = True
        self.severed = False
        self.in_flight = 0
        self.up: deque[Item] = deque()
        self.down: deque[Item] = deque()

    def leave(self) -> None:
        """The client closes it; what it said before is still heard."""
        self.client = False
        self.down.clear()
        self.up.append(END)

    def sever(self) -> None:
        """The client is gone, and back elsewhere before the gateway noticed."""
        self.client = False
        self.severed = True
        self.up.clear()
        self.down.clear()


class Person:
    """`handled` are the ids that it names in `seen`; `leaving`: it is about to stay away for good."""

    __slots__ = ("handled", "leaving", "socket")

    def __init__(self) -> None:
        self.handled: dict[str, None] = {}
        self.socket: Socket | None = None
        self.leaving = False


def client_event(world: "SmallWorld", event: Item) -> None:
    person = world.person
    match event:
        case ("hear", session):
            _received(world, world.sockets[session])
        case ("told", session):
            _answered(world, world.sockets[session])
        case ("missed", session):
            _socket_gone(world, session)
        case ("connect", name):
            session = world.fresh("s")
            person.socket = world.sockets[session] = Socket(session, name)
            world.history.opened(session, world.user, list(person.handled))
            for message in person.handled:
                world.history.client_confirmed(world.user, message)
            world.house(name).core.open(session, world.user, list(person.handled), NOW, NOW)
        case _ if person.socket is not None:
            if event == ("client vanishes",):
                person.socket.sever()
            else:
                person.socket.leave()
            if not person.socket.gateway:
                del world.sockets[person.socket.session]
            person.socket = None
    if event == ("goodbye",):
        person.leaving = True


def _received(world: "SmallWorld", socket: Socket) -> None:
    match socket.down.popleft():
        case ("message", int(uid)):
            post = world.history.posts[uid]
            if post.key in world.person.handled:
                raise Violation(f"I4: the client hands over what it has seen and is sent {post.key} again")
            if uid not in world.refused:
                world.history.client_confirmed(world.user, post.key)
                world.person.handled[post.key] = None
            if socket.gateway:
                socket.up.append(("refuse" if uid in world.refused else "confirm", post.key))
        case _:
            socket.client = False
            world.person.socket = None
            del world.sockets[socket.session]


def _answered(world: "SmallWorld", socket: Socket) -> None:
    house = world.house(socket.house)
    match socket.up.popleft():
        case ("confirm", key):
            socket.in_flight -= 1
            world.history.answered(socket.session, key)
            house.core.answered(socket.session, key, b"1", "", NOW)
        case ("refuse", key):
            socket.in_flight -= 1
            house.core.refused(socket.session, key, "no", NOW)
        case _:
            _socket_gone(world, socket.session)
    house.flush()


def _socket_gone(world: "SmallWorld", session: str) -> None:
    house = world.house(world.sockets[session].house)
    house.core.close(session, NOW)
    house.flush()
    world.gateway_done(session)
