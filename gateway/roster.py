"""Who has a session on which connection: two tables and no rooms.

python-socketio's own keep a room for every session, search all of them whenever one leaves, and a list of those who are
just coming for every packet: with ten thousand clients a storm is spent in there.
"""

import itertools
import secrets
from collections.abc import Callable, Iterable

import socketio

from gateway.packets import BadPacket, answer

NUMBERS = 10**12


class Roster(socketio.AsyncManager):  # type: ignore[misc]  # it has no types
    """Of one namespace; what has to do with rooms does not work. The libraries' words: `sid` is a session, `eio_sid`
    engine.io's id of its connection.
    """

    def __init__(self, namespace: str, connected: Callable[[str], None], unasked: Callable[[str], None]) -> None:
        """`connected` hears of every session whose CONNECT has been answered, `unasked` of answers to nothing."""
        super().__init__()
        self._namespace = namespace
        self._connected = connected
        self._unasked = unasked
        self._connections: dict[str, str] = {}  # of each session
        self._sessions: dict[str, str] = {}  # on each connection
        self._passing: set[str] = set()  # sessions that are just coming or leaving
        # The stock client sends a callback that its application calls late over the connection it has by then,
        # with the number of the old one. So no two sessions share numbers, of two gateways neither.
        self.numbers = itertools.count(secrets.randbelow(NUMBERS))

    def number(self, sid: str, callback: Callable[[list[bytes]], None]) -> int:
        """Of the callback that this client is asked for."""
        number = next(self.numbers)
        self.callbacks.setdefault(sid, {})[number] = callback
        return number

    # --- what the library asks --------------------------------------------------------------

    def get_namespaces(self) -> Iterable[str]:
        return (self._namespace,)

    def is_connected(self, sid: str | None, namespace: str) -> bool:
        return sid in self._connections and sid not in self._passing and namespace == self._namespace

    def sid_from_eio_sid(self, eio_sid: str, namespace: str) -> str | None:
        return self._sessions.get(eio_sid) if namespace == self._namespace else None

    def eio_sid_from_sid(self, sid: str, namespace: str) -> str | None:
        return self._connections.get(sid) if namespace == self._namespace else None

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        if eio_sid in self._sessions or namespace != self._namespace:
            return None
        sid = str(self.server.eio.generate_id())
        self._connections[sid], self._sessions[eio_sid] = eio_sid, sid
        self._passing.add(sid)
        return sid

    async def connect(self, sid: str, namespace: str) -> str:
        if sid in self._connections:
            self._passing.discard(sid)
            self._connected(sid)
        return sid

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        connection = self.eio_sid_from_sid(sid, namespace)
        if connection is not None:
            self._passing.add(sid)
        return connection

    def basic_disconnect(self, sid: str, namespace: str, **_: object) -> None:
        self._passing.discard(sid)
        self.callbacks.pop(sid, None)
        connection = self._connections.pop(sid, None)
        if connection is not None:
            del self._sessions[connection]

    async def trigger_callback(self, sid: str | None, id: int | None, data: str | None) -> None:  # noqa: A002 -- theirs
        if id is None:
            raise BadPacket("a callback without its number")
        answered = answer(data)
        callback = self.callbacks.get(sid, {}).pop(id, None)
        if callback is not None:
            callback(answered)
        else:  # a second one, or one to nothing: it changes nothing
            self._unasked(sid or "")
