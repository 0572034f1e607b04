"""python-socketio's server, with what a stranger could do to it shut off.

As it comes it runs handlers for events that a client makes up, forgets what failed half-way, and numbers the
callbacks of every session from 1 (TRAPS A7 to A13). All departures from the library are in this file and in `roster`.
"""

import functools
from collections.abc import Callable
from typing import Any, Protocol

import engineio
import engineio.payload
import socketio

from gateway.lane import LANE, Lane
from gateway.line import Line
from gateway.packets import RawPacket, arguments
from gateway.polling import POST_PACKETS
from gateway.quiet import QuietServer
from gateway.roster import Roster
from gateway.settings import GatewaySettings
from gateway.tokens import Code, Refusal
from gateway.unread import Unread
from shared.http import Scope

_ANSWER = "3"


class Handlers(Protocol):
    """Who is told. `connection` is engine.io's id of it, `session` Socket.IO's of the client logged in on it."""

    def came(self, connection: str, scope: Scope) -> None: ...
    def left(self, connection: str) -> None: ...
    def is_open(self, connection: str) -> bool:
        """False once its close has begun: nothing is to be written any more."""

    async def stranger_spoke(self, connection: str) -> None:
        """Returns when what it said may be read, most likely its login."""

    async def log_in(self, connection: str, session: str, auth: str | None) -> Refusal | None:
        """None: welcome. A refusal `unavailable` closes the transport instead of being sent."""

    def logged_in(self, session: str) -> None:
        """The client's CONNECT has been answered."""

    def logged_out(self, session: str) -> None:
        """Also of one that `log_in` has let in and `logged_in` was never said of."""

    def said(self, session: str, number: int | None, said: list[bytes]) -> None:
        """An event; `number` asks for an answer. Raises `BadPacket`."""

    def in_vain(self, connection: str) -> None:
        """It said something that costs us work and leads to nothing, or that its WebSocket does not count."""

    def unread(self, connection: str) -> None:
        """More waits to be read by it than can be."""

    def failed(self, connection: str, err: Exception) -> None:
        """Something that it said could not be borne."""


class Server(socketio.AsyncServer):  # type: ignore[misc]  # it has no types
    """Strangers cannot raise into it, make up events or leave anything behind."""

    def __init__(self, settings: GatewaySettings, handlers: Handlers, **engine: object) -> None:
        """`engine` are options of engine.io."""
        self.namespace = settings.gateway_namespace
        self._to = handlers
        super().__init__(
            client_manager=Roster(self.namespace, handlers.logged_in, self._unasked),
            serializer=RawPacket,
            async_handlers=False,
            async_mode="asgi",
            namespaces=[self.namespace],
            **engine,
        )
        self.eio.create_queue = Unread
        engineio.payload.Payload.max_decode_packets = POST_PACKETS
        self.on("connect", self._connect, namespace=self.namespace)
        self.on("disconnect", lambda sid, _reason: handlers.logged_out(sid), namespace=self.namespace)

    async def emit_to(
        self, session: str, event: str, data: object = None, callback: Callable[[list[bytes]], None] | None = None
    ) -> None:
        """To one client; nothing happens when it is gone. `callback` gets the raw arguments of its answer."""
        if not self.manager.is_connected(session, self.namespace):
            return
        number = None if callback is None else self.manager.number(session, callback)
        said = [event] if data is None else [event, data]
        packet = self.packet_class(socketio.packet.EVENT, namespace=self.namespace, id=number, data=said)
        # What `emit` does for a room with one client in it, without a task of its own for each packet.
        await self._send_packet(self.connection_of(session) or "", packet)

    def lane(self, session: str, line: Line | None) -> Lane | None:
        """The fast one to a client that has logged in, if it can have one by now. `line` is that of its connection."""
        connection = self.connection_of(session)
        socket = self.eio.sockets.get(connection)
        if connection is None or socket is None or not socket.upgraded or line is None or line.straight is None:
            return None
        return Lane(
            socket,
            line,
            line.straight,
            namespace=self.namespace,
            ping_timeout_seconds=self.eio.ping_timeout,
            numbers=self.manager.numbers,
            callbacks=self.manager.callbacks.setdefault(session, {}),
            on_fault=functools.partial(self._to.failed, connection),
        )

    async def answer(self, session: str, number: int | None, value: object) -> None:
        """The callback of an event that the client sent."""
        connection = self.connection_of(session)
        if number is not None and connection is not None:
            packet = self.packet_class(socketio.packet.ACK, namespace=self.namespace, id=number, data=[value])
            await self._send_packet(connection, packet)

    def connection_of(self, session: str) -> str | None:
        found = self.manager.eio_sid_from_sid(session, self.namespace)
        return None if found is None else str(found)

    def _unasked(self, session: str) -> None:
        connection = self.connection_of(session)
        if connection is not None:
            self._to.in_vain(connection)

    # --- what the library calls -----------------------------------------------------------

    def _engineio_server_class(self) -> type[engineio.AsyncServer]:
        return QuietServer if LANE.taken else engineio.AsyncServer

    async def _connect(self, sid: str, _environ: object, auth: str | None) -> None:
        connection = self.connection_of(sid) or ""
        try:
            refusal = await self._to.log_in(connection, sid, auth)
        except Exception as err:  # the library leaves a session behind that nobody has, unless it is told so
            self._to.failed(connection, err)
            raise ConnectionRefusedError from err
        if refusal is not None:
            raise socketio.exceptions.ConnectionRefusedError(refusal.code, _data(refusal))

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        self._to.came(eio_sid, environ["asgi.scope"])

    async def _handle_eio_message(self, eio_sid: str, data: object) -> None:
        if self.manager.sid_from_eio_sid(eio_sid, self.namespace) is None:
            await self._to.stranger_spoke(eio_sid)
            if not self._to.is_open(eio_sid):
                return
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not socket.upgraded and not str(data).startswith(_ANSWER):
            self._to.in_vain(eio_sid)
            if not self._to.is_open(eio_sid):
                return
        try:
            await super()._handle_eio_message(eio_sid, data)
        except Exception as err:  # noqa: BLE001 -- a fault stays with the client that met it
            self._to.failed(eio_sid, err)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: object) -> None:
        try:
            await super()._handle_eio_disconnect(eio_sid, reason)
        finally:
            # One that left while it was logging in, which engine.io may find out in sending it the answer: the library
            # keeps it for ever, and says nothing of its end.
            sid = self.manager.sid_from_eio_sid(eio_sid, self.namespace)
            if sid is not None:
                self._to.logged_out(sid)
                self.manager.basic_disconnect(sid, self.namespace)
            self._to.left(eio_sid)

    async def _send_packet(self, eio_sid: str, pkt: object) -> None:
        # A refusal queued behind the end of a transport is sent all the same if a ping stands before that.
        if self._to.is_open(eio_sid):
            await super()._send_packet(eio_sid, pkt)
            socket = self.eio.sockets.get(eio_sid)
            if socket is not None and socket.queue.is_too_much():
                self._to.unread(eio_sid)

    async def _handle_connect(self, eio_sid: str, namespace: str, data: str | None) -> None:
        if eio_sid not in self.environ:
            return  # said before its connection ended, and read after that
        detail = ""
        if namespace != self.namespace:
            detail = "there is no such namespace"
        elif self.manager.sid_from_eio_sid(eio_sid, namespace) is not None:
            detail = "this connection has a session"
        if not detail:
            await super()._handle_connect(eio_sid, namespace, data)
            return
        refusal = Refusal(Code.BAD_REQUEST, detail)
        body = {"message": refusal.code, "data": _data(refusal)}
        refused = self.packet_class(socketio.packet.CONNECT_ERROR, data=body, namespace=namespace)
        await self._send_packet(eio_sid, refused)

    async def _handle_event(self, eio_sid: str, namespace: str, id: int | None, data: str | None) -> None:  # noqa: A002 -- theirs
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace)
        if namespace == self.namespace and self.manager.is_connected(sid, namespace):
            self._to.said(sid, id, arguments(data))

    async def _handle_ack(self, eio_sid: str, namespace: str, id: int | None, data: str | None) -> None:  # noqa: A002 -- theirs
        if namespace == self.namespace:
            await super()._handle_ack(eio_sid, namespace, id, data)


def _data(refusal: Refusal) -> dict[str, str]:
    return {"code": refusal.code, "detail": refusal.detail}
