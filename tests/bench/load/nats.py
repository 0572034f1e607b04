"""NATS over a bare WebSocket: listens to its durable consumer and acks each message, all of one read in one frame."""

import time

from tests.bench.load.bodies import now
from tests.bench.load.socket import Opcode, Socket, frame

MESSAGE = b"M"[0]


class Nats(Socket):
    """`login` is the subject that its consumer delivers to. Lines may begin in one frame and end in the next."""

    _begun = b""

    def greet(self) -> None:
        hello = b'CONNECT {"verbose":false}\r\nSUB %s 1\r\nPING\r\n' % self.login.encode()
        self.write(frame(Opcode.BINARY, hello))

    def read(self, data: bytes, start: int, end: int, answers: list[bytes]) -> None:
        if self._begun:
            data = self._begun + data[start:end]
            start, end = 0, len(data)
        acks: list[bytes] = []
        while (line := data.find(b"\r\n", start, end)) >= 0:
            after = line + 2
            if data[start] == MESSAGE:
                _, _, _, reply, size = data[start:line].split(b" ")
                after += int(size) + 2
                if after > end:
                    break
                self.mailbox.take(data, line + 2, after - 2, now())
                acks.append(b"PUB %s 0\r\n\r\n" % reply)
            else:
                self._line(data[start:line], answers)
            start = after
        self._begun = data[start:end]
        if acks:
            self.confirm(frame(Opcode.BINARY, b"".join(acks)), answers)

    def _line(self, line: bytes, answers: list[bytes]) -> None:
        if line == b"PONG":
            self.online = True
            self.mailbox.online_at = time.monotonic()
            self.tally.online += 1
        elif line == b"PING":
            answers.append(frame(Opcode.BINARY, b"PONG\r\n"))
        elif line.startswith(b"-ERR"):
            self.tally.refused += 1
