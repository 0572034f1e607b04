"""uvicorn's connections with an end to its patience: for slow requests, endless heads, and clients that do not read.

As they come they wait for ever for a request that is never finished, keep whatever its head holds, and write an
answer to every ping into a buffer without bounds.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

REQUEST_SECONDS = 10.0
"""From the connection, or the end of the answer before, to the end of a request."""

HEAD_BYTES = 65_536
BAD_REQUEST = "Invalid HTTP request received."


class PatientHttp(HttpToolsProtocol):
    """A request must end in time, and its head must be of a reasonable size."""

    _in_head = True
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as theirs
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_wait()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and self._in_head:
            self._wait()
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response(BAD_REQUEST)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._end_wait()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._in_head = False
        self._end_wait()
        if self.url.isascii():
            super().handle_websocket_upgrade()
        else:  # the WebSocket library fails on it, and says so in a stack trace
            self.send_400_response(BAD_REQUEST)

    def _wait(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _end_wait(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class PatientWebSocket(WebSocketsSansIOProtocol):
    """A handshake that is none is answered, and a client that pings without reading is ended."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():  # its head comes in one piece
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()
