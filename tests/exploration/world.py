"""The small world: two dispatchers, two gateways, one user, a few messages, and every event that is possible now.

The cores and the broker are those of the simulation's, but nothing happens by itself: `events` lists what can
happen next, `faults` what can go wrong, `do` makes one of them happen. Time is abstract. What takes
milliseconds can happen in any order. What takes seconds (deadlines, probes, lingers) happens when nothing
is under way; happening earlier is a fault. Coming back (a service, a client) and noticing that a connection
is gone may take any time.
"""

from shared import names
from shared.wire import Lease, LeaseKind
from tests.exploration.client import Person, Socket, client_event
from tests.exploration.house import House
from tests.exploration.link import END, Item, Link
from tests.exploration.office import Office, act
from tests.simulation.broker import Broker, ChannelDown, Notice
from tests.simulation.channel import Channel
from tests.simulation.dispatcher import Parcel
from tests.simulation.history import History, Post

USER = "alice"
QUEUE = names.user_queue(USER)
LEASES = names.sessions_queue(0)


_OBSERVED = (QUEUE, "sessions.", "gateway.")


def _of_its_own_queue(notice: Notice) -> bool:
    return isinstance(notice, ChannelDown) and notice.queue.owner is not None


def _consumes(link: Link) -> bool:
    return any(channel.consumers or channel.unacked for channel in link.connection.channels)


def _nothing_expires(_user: str) -> None:
    return


class SmallWorld:
    """`waiting` messages are there from the start, `coming` more are published at any time.

    Those in `refused` (counted from 1) the client refuses.
    """

    user = USER
    window = 2
    max_attempts = 5

    def __init__(self, waiting: int, coming: int = 0, refused: frozenset[int] = frozenset()) -> None:
        self.messages = waiting + coming
        self.refused = refused
        self.published = 0
        self.broker = Broker()
        self.history = History(self.window, _nothing_expires)
        self.links: dict[str, Link] = {}
        self.sockets: dict[str, Socket] = {}
        self.person = Person()
        self._numbers = 0
        self._set_up = self.broker.connect("set-up").channel()
        for exchange in (names.SESSIONS_EXCHANGE, names.GATEWAYS_EXCHANGE, names.DISPATCHERS_EXCHANGE, names.MESSAGES):
            self._set_up.declare_exchange(exchange, "direct")
        self._set_up.declare_exchange(names.DEAD_LETTERS, "fanout")
        self._set_up.declare_queue(LEASES, single_active_consumer=True)
        self._set_up.bind(LEASES, names.SESSIONS_EXCHANGE, LEASES)
        self.declare_user(USER)
        self.houses: dict[str, House | None] = {name: House(self, name) for name in ("g0", "g1")}
        self.offices: dict[str, Office | None] = {"d0": None, "d1": None}
        for place in self.offices:
            self.do(("begin dispatcher", place))
            self.announce(Lease(kind=LeaseKind.HELLO))
            self._calm()
        for _ in range(waiting):
            self._publish()
        self._listen()

    def prompt(self) -> list[Item]:
        """What is under way, and what takes milliseconds."""
        found: list[Item] = [("notice", n) for n in range(len(self.broker.pending))]
        for link in self.links.values():
            if link.up:
                found.append(("up", link.name))
            if link.down:
                found.append(("down", link.name))
        for socket in self.sockets.values():
            if socket.up and socket.gateway:
                found.append(("told", socket.session))
            if socket.down and socket.client:
                found.append(("hear", socket.session))
        for office in self.offices.values():
            found += office.soon() if office else []
        return found

    # --- what happens --------------------------------------------------------------------

    def do(self, event: Item) -> None:
        match event:
            case ("up", str(name)):
                link = self.links[name]
                act(self, link, link.up.popleft())
            case ("down", str(name)):
                self.holder(name).hear(self.links[name].down.popleft())
            case ("notice", int(index)):
                self.broker.run(index)
            case ("hear" | "told" | "missed" | "connect" | "goodbye" | "client vanishes" | "client leaves", *_):
                client_event(self, event)
            case ("take-over" | "come back" | "linger" | "patience" | "probe" | "hold", str(name), *_):
                office = self.holder(name)
                assert isinstance(office, Office)
                office.fire(event)
            case ("confirm timeout", str(name), _):
                self.house(name).fire(event)
            case ("publish",):
                self._publish()
            case _:
                self._service_event(event)
        self._listen()

    def _service_event(self, event: Item) -> None:
        match event:
            case ("begin dispatcher", place):
                self.offices[place] = Office(self, self.fresh(place))
            case ("begin gateway", name):
                self.houses[name] = House(self, name)
            case ("reconnect", name):
                self.house(name).connect()
            case ("broker notices", name):
                self.links[name].connection.cut()
            case ("service notices", name):
                self.holder(name).hear(END)
            case ("kill dispatcher", place):
                office = self.offices[place]
                assert office is not None
                self.end_dispatcher(office)
            case ("kill gateway", name):
                self._kill_gateway(name)
            case ("sever", name):
                self.links[name].sever()
            case ("close", name):
                self.links[name].connection.close()
                self.links[name].say(*END)
            case ("restart broker",):
                self.broker.stop()
                for link in self.links.values():
                    link.say(*END)
                self.broker.start()
                self._set_up = self.broker.connect("set-up").channel()
            case ("delete queue",):
                queue = self.broker.queues[QUEUE]
                for post in (*queue.ready, *queue.unacked):
                    assert isinstance(post, Post)
                    self.history.removed(post.uid)
                self.broker.delete_queue(QUEUE)
            case _:
                raise AssertionError(event)

    def _publish(self) -> None:
        self.published += 1
        post = Post(self.published, USER, f"m{self.published}")
        self.history.published(post)
        self._set_up.publish(names.MESSAGES, USER, post)

    def _listen(self) -> None:
        """Put what the broker says on its way, and forget connections that are over on both sides.

        What nobody could tell the order of is done with at once: the end of a connection without consumers, and
        that of a dispatcher's inbox, to which nothing is published mandatory.
        """
        for notice in [*self.broker.pending]:
            if not notice.queue.name.startswith(_OBSERVED) or _of_its_own_queue(notice):
                self.broker.run(notice)
        spoken, self.broker.spoken = self.broker.spoken, {}
        links = {link.connection: link for link in self.links.values()}
        for channel in spoken:
            link = links.get(channel.connection)
            while channel.events:
                event = channel.events.popleft()
                if link is not None:
                    link.say(channel, event)
        for link in links.values():
            if not link.connection.closed and (link.severed or list(link.up) == [END]) and not _consumes(link):
                link.connection.close()
            if link.connection.closed:
                link.up.clear()
            if link.over:
                del self.links[link.name]

    # --- for offices and houses ----------------------------------------------------------

    def fresh(self, name: str) -> str:
        """A name that was never used; what comes after ~ means nothing."""
        self._numbers += 1
        return f"{name}~{self._numbers}"

    def connect(self, name: str) -> Link:
        link = self.links[name] = Link(name, self.broker.connect(name))
        return link

    def declare_user(self, user: str) -> None:
        self._set_up.declare_queue(names.user_queue(user), single_active_consumer=True)
        self._set_up.bind(names.user_queue(user), names.MESSAGES, user)

    def announce(self, lease: Lease) -> None:
        self._set_up.publish(names.SESSIONS_EXCHANGE, LEASES, Parcel(lease))

    def ack(self, channel: Channel, tag: int) -> None:
        consumer = channel.unacked.get(tag)
        entry = consumer.queue.held.get(channel, {}).get(tag) if consumer is not None else None
        if entry is not None and isinstance(entry.message, Post):
            self.history.acked(entry.message)
        channel.ack(tag)

    def end_dispatcher(self, office: Office) -> None:
        """It died, or lost a connection and starts over: to the others this is the same."""
        for link in office.links:
            link.leave()
        self.offices[office.name.partition("~")[0]] = None

    def emitted(self, session: str, uid: int) -> None:
        socket = self.sockets[session]
        socket.in_flight += 1
        self.history.emitted(session, uid, socket.in_flight)
        if socket.client:
            socket.down.append(("message", uid))

    def gateway_done(self, session: str) -> None:
        """The gateway closed its side."""
        socket = self.sockets[session]
        socket.gateway = socket.severed = False
        socket.up.clear()
        del self.history.sessions[session]
        if not socket.client:
            del self.sockets[session]

    # --- how -----------------------------------------------------------------------------

    def holder(self, name: str) -> Office | House:
        place = name.partition("~")[0]
        holder = self.offices.get(place) or self.houses.get(place)
        assert holder is not None, name
        return holder

    def house(self, name: str) -> House:
        house = self.houses[name]
        assert house is not None
        return house

    def _kill_gateway(self, name: str) -> None:
        house = self.house(name)
        if house.link is not None:
            house.link.leave()
        self.houses[name] = None
        for socket in [socket for socket in self.sockets.values() if socket.house == name and socket.gateway]:
            socket.down.append(END)
            self.gateway_done(socket.session)

    def _calm(self) -> None:
        """Let everything happen that is under way, in any one order."""
        while self.prompt():
            self.do(self.prompt()[0])
