"""A WebSocket that text is taken from before it is parsed, held to one that parses all: the same, split anywhere."""

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from shared.http import config_of
from shared.patience import PatientWebSocket
from shared.straight import StraightWebSocket

HEAD = (
    b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
FRAME_BYTES = 1_000
PONG_ALIKE = b"\x81\x81\x00\x00\x00\x003"

TAKEN = (b"3", b"430[]")
TEXTS = st.builds(Frame, st.just(Opcode.TEXT), st.sampled_from([*TAKEN, *TAKEN, b"x", b"", b"x" * 125]))
FRAMES = (
    TEXTS
    | st.builds(
        Frame,
        st.sampled_from([Opcode.TEXT, Opcode.TEXT, Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
        st.sampled_from([*TAKEN, b"x", b"", b"33", PONG_ALIKE, b"x" * 126, b"x" * FRAME_BYTES, b"x" * 66_000, b"\xff"]),
        st.sampled_from([True, True, True, False]),
    )
    | st.sampled_from([Frame(Opcode.PING, b"3"), Frame(Opcode.PONG, b"3"), Frame(Opcode.CLOSE, b"\x03\xe8")])
    | st.just(Frame(Opcode.TEXT, b"3", rsv1=True))
)
SPLITS = st.lists(st.integers(1, 12), max_size=60) | st.lists(st.sampled_from([7, 11, 50, 100_000]), max_size=12)


class _Nowhere(asyncio.Transport):
    """What is written is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def _silent(_scope: Any, _receive: Any, _send: Any) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


async def heard(kind: type[PatientWebSocket], data: bytes, splits: list[int]) -> list[object]:
    """Everything that is taken or given to the application, in order, and what was written back."""
    config = config_of(_silent, frame_bytes=FRAME_BYTES)
    config.load()
    state = ServerState()
    protocol, transport, said = kind(config, state, {}), _Nowhere(), list[object]()

    def take(frame: bytes) -> bool:
        if frame in TAKEN:
            said.append(frame.decode())
        return frame in TAKEN

    if isinstance(protocol, StraightWebSocket):
        protocol.take = take
    protocol.connection_made(transport)
    protocol.data_received(HEAD)
    await asyncio.sleep(0)
    protocol.queue.get_nowait()
    await protocol.send({"type": "websocket.accept"})
    at, sizes = 0, iter(splits)
    while at < len(data) and not transport.closed:
        size = next(sizes, 100_000 if 100_000 in splits else 7)
        protocol.data_received(data[at : at + size])
        at += size
        while not protocol.queue.empty():
            message: Any = protocol.queue.get_nowait()
            said.append(message.get("text", message.get("bytes", message.get("code"))))
    for task in state.tasks:
        task.cancel()
    await asyncio.gather(*state.tasks, return_exceptions=True)
    return [*said, transport.closed, b"".join(transport.written[1:])]


@settings(deadline=None)
@given(st.lists(FRAMES, max_size=8), st.binary(min_size=4, max_size=4), SPLITS)
@example([Frame(Opcode.TEXT, b"x" + PONG_ALIKE + b"x")], b"\x00" * 4, [7, 7, 7])
@example([Frame(Opcode.TEXT, b"3", fin=False), Frame(Opcode.TEXT, b"3")], b"\x00" * 4, [7, 7])
@example([Frame(Opcode.TEXT, PONG_ALIKE)], b"\x00" * 4, [2, 4, 7])
@example([Frame(Opcode.TEXT, PONG_ALIKE)], b"\x00" * 4, [6, 7])
@example([Frame(Opcode.TEXT, b"3"), Frame(Opcode.TEXT, b"430[]"), Frame(Opcode.TEXT, b"3")], b"mask", [100_000])
@example([Frame(Opcode.TEXT, b"3"), Frame(Opcode.TEXT, b"x"), Frame(Opcode.TEXT, b"3")], b"mask", [100_000])
@example([Frame(Opcode.TEXT, b"3"), Frame(Opcode.TEXT, b"3", rsv1=True)], b"mask", [100_000])
@example([Frame(Opcode.TEXT, b"3", fin=False), *[Frame(Opcode.TEXT, b"3")] * 2], b"mask", [7, 100_000])
async def test_what_is_heard_is_the_same_wherever_it_is_split(
    frames: list[Frame], mask: bytes, splits: list[int]
) -> None:
    data = b"".join(_masked(frame, mask) for frame in frames)

    assert await heard(StraightWebSocket, data, splits) == await heard(PatientWebSocket, data, splits)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
async def test_what_is_said_is_written_as_the_library_writes_it(size: int) -> None:
    config = config_of(_silent)
    config.load()
    protocol, transport = StraightWebSocket(config, ServerState(), {}), _Nowhere()
    protocol.connection_made(transport)

    protocol.say(b"x" * size)
    protocol.say(b"y")
    await asyncio.sleep(0)

    texts = (Frame(Opcode.TEXT, b"x" * size), Frame(Opcode.TEXT, b"y"))
    assert b"".join(transport.written) == b"".join(text.serialize(mask=False) for text in texts)


def _masked(frame: Frame, mask: bytes) -> bytes:
    plain = Frame(frame.opcode, frame.data, frame.fin).serialize(mask=False)
    length = len(plain) - len(frame.data)
    return (
        bytes((plain[0] | 0x40 * frame.rsv1, plain[1] | 0x80))
        + plain[2:length]
        + mask
        + bytes(byte ^ mask[n % 4] for n, byte in enumerate(bytes(frame.data)))
    )
