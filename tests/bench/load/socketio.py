"""Socket.IO over a bare WebSocket: logs in, confirms each message with an empty callback, answers pings."""

import time

from tests.bench.load.bodies import now
from tests.bench.load.socket import Opcode, Socket, frame

PONG = frame(Opcode.TEXT, b"3")
OPEN, CLOSE, PING, MESSAGE = b"0"[0], b"1"[0], b"2"[0], b"4"[0]
CONNECT, DISCONNECT, EVENT, REFUSED = b"0"[0], b"1"[0], b"2"[0], b"4"[0]


class SocketIO(Socket):
    path = "/socket.io/?EIO=4&transport=websocket"

    def read(self, data: bytes, start: int, end: int, answers: list[bytes]) -> None:
        kind = data[start]
        if kind == MESSAGE:
            self._packet(data, start, end, answers)
        elif kind == PING:
            answers.append(PONG)
        elif kind == OPEN:
            self.answered = True
            answers.append(frame(Opcode.TEXT, b"40" + self.login.encode()))

    def _packet(self, data: bytes, start: int, end: int, answers: list[bytes]) -> None:
        kind = data[start + 1]
        if kind == EVENT:
            names = data.find(b"[", start, end)
            if names == start + 2:
                return  # without a callback there is nothing to confirm
            self.mailbox.take(data, names, end, now())
            self.confirm(frame(Opcode.TEXT, b"43" + data[start + 2 : names] + b"[]"), answers)
        elif kind == CONNECT:
            self.online = True
            self.mailbox.online_at = time.monotonic()
            self.tally.online += 1
        elif kind in (DISCONNECT, REFUSED):
            self.tally.refused += 1
