"""Clients of a gateway in the test's process without a socket: uvicorn's own protocols, on a transport in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from shared.http import config_of
from tests.support.gateway import InProcess
from tests.support.until import until

ADDRESSES = {"peername": ("127.0.0.1", 50_000), "sockname": ("127.0.0.1", 8000)}


class Client(asyncio.Transport):
    """A WebSocket's two ends: what the gateway writes is read at once, unless it `stops`."""

    def __init__(self, protocol: Any, login: str | None = None) -> None:
        """`login` is said as soon as the first packet has come."""
        super().__init__()
        self._login = login
        self.got: list[str | bytes] = []
        self.closed = False
        self.stopped = False
        self._unread: list[bytes] = []
        self._protocol = protocol
        self._mine = ClientProtocol(parse_uri("ws://127.0.0.1:8000/socket.io/?EIO=4&transport=websocket"))
        protocol.connection_made(self)
        self._mine.send_request(self._mine.connect())
        self._deliver()

    def says(self, frame: str | bytes) -> None:
        if self._mine.state is not State.OPEN:
            return
        if isinstance(frame, str):
            self._mine.send_text(frame.encode())
        else:
            self._mine.send_binary(frame)
        self._deliver()

    def says_unasked(self, text: str) -> None:
        """Before it knows that it has a WebSocket; masked with zeros."""
        frame = Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
        length = 2 if len(text) < 126 else 4
        self._protocol.data_received(bytes((frame[0], frame[1] | 0x80)) + frame[2:length] + bytes(4) + frame[length:])

    def says_bytes(self, data: bytes) -> None:
        """Whatever it is."""
        self._protocol.data_received(data)

    def stops(self) -> None:
        """Reads no more, and the gateway's buffer is full."""
        self.stopped = True
        self._protocol.pause_writing()

    def goes_on(self) -> None:
        self.stopped = False
        for data in self._unread:
            self._read(data)
        self._unread.clear()
        if not self.closed:
            self._protocol.resume_writing()

    def leaves(self) -> None:
        """Without a word."""
        self.close()

    # --- asyncio's transport ------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ADDRESSES.get(name, default)

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def get_protocol(self) -> Any:
        return self._protocol

    def write(self, data: Any) -> None:
        if self.stopped:
            self._unread.append(bytes(data))
        elif not self.closed:
            self._read(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self._lost)

    def _lost(self) -> None:
        protocol, self._protocol = self._protocol, None  # as uvloop and asyncio do
        protocol.connection_lost(None)

    def abort(self) -> None:
        self.close()

    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._unread))

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def _deliver(self) -> None:
        for data in self._mine.data_to_send():
            if data and not self.closed:
                self._protocol.data_received(data)

    def _read(self, data: bytes) -> None:
        self._mine.receive_data(data)
        for event in self._mine.events_received():
            if isinstance(event, Frame) and event.opcode == Opcode.TEXT:
                self.got.append(bytes(event.data).decode())
                if self._login is not None and len(self.got) == 1:
                    asyncio.get_running_loop().call_soon(self.says, self._login)
            elif isinstance(event, Frame) and event.opcode == Opcode.BINARY:
                self.got.append(bytes(event.data))
            elif isinstance(event, Frame) and event.opcode == Opcode.CLOSE:
                self.got.append(f"closed {self._mine.close_rcvd.code if self._mine.close_rcvd else None}")
                asyncio.get_running_loop().call_soon(self._deliver)  # its answer


class Visitors:
    """Those who come to one gateway."""

    def __init__(self, gateway: InProcess) -> None:
        self._config = config_of(gateway.sockets.engine.app, frame_bytes=gateway.frame_bytes, connections=1_000)
        self._config.load()
        self._state = ServerState()
        self._there: list[Client] = []

    async def come(self) -> Client:
        """A client that has engine.io's first packet."""
        client = self.asks()
        await until(lambda: client.got, "the handshake", 30.0)
        return client

    def asks(self, login: str | None = None) -> Client:
        """A client that has asked for a WebSocket."""
        made: Any = self._config.http_protocol_class
        client = Client(made(config=self._config, server_state=self._state, app_state={}), login)
        self._there.append(client)
        return client

    async def all_leave(self) -> None:
        for client in self._there:
            client.leaves()
        await until(lambda: not self._state.tasks, "the end of their tasks", 30.0)


@asynccontextmanager
async def visitors(gateway: InProcess) -> AsyncIterator[Visitors]:
    made = Visitors(gateway)
    try:
        yield made
    finally:
        await made.all_leave()
