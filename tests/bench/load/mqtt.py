"""MQTT 3.1.1 over a bare WebSocket: a persistent session that subscribes with QoS 1 and sends each PUBACK at once."""

import time

from tests.bench.load.bodies import now
from tests.bench.load.socket import Opcode, Socket, frame

CONNACK, PUBLISH, SUBACK, PINGRESP = 0x20, 0x30, 0x90, 0xD0
KIND = 0xF0


class Mqtt(Socket):
    """`login` is the account, the client's id and the topic, with blanks between."""

    path = "/ws"
    subprotocol = "mqtt"

    def greet(self) -> None:
        account, client, _ = self.login.split(" ")
        # User name and password follow, the session stays, no keep-alive.
        head = _text("MQTT") + b"\x04\xc0\x00\x00"
        self.write(_packet(0x10, head + _text(client) + _text(account) + _text("guest")))

    def read(self, data: bytes, start: int, end: int, answers: list[bytes]) -> None:
        while start < end:
            kind = data[start] & KIND
            size, shift, start = data[start + 1] & 0x7F, 7, start + 2
            while data[start - 1] & 0x80:
                size, shift, start = size | (data[start] & 0x7F) << shift, shift + 7, start + 1
            if kind == PUBLISH:
                self._message(data, start, start + size, answers)
            elif kind == CONNACK:
                self._connected(data[start + 1], answers)
            elif kind == SUBACK:
                self.online = True
                self.mailbox.online_at = time.monotonic()
                self.tally.online += 1
            start += size

    def _connected(self, refused: int, answers: list[bytes]) -> None:
        if refused:
            self.tally.refused += 1
            return
        self.answered = True
        topic = self.login.split(" ")[2]
        answers.append(_packet(0x82, b"\x00\x01" + _text(topic) + b"\x01"))

    def _message(self, data: bytes, start: int, end: int, answers: list[bytes]) -> None:
        number = start + 2 + int.from_bytes(data[start : start + 2], "big")
        self.mailbox.take(data, number + 2, end, now())
        self.confirm(frame(Opcode.BINARY, b"\x40\x02" + data[number : number + 2]), answers)


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def _packet(head: int, content: bytes) -> bytes:
    size, left = bytearray(), len(content)
    while True:
        left, low = divmod(left, 128)
        size.append(low | (0x80 if left else 0))
        if not left:
            return frame(Opcode.BINARY, bytes((head,)) + size + content)
