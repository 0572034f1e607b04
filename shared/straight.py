"""uvicorn's WebSocket with a way past ASGI: text goes out without a coroutine, text that comes can be taken at once.

Both ways keep the order of what goes through ASGI: what is said joins the same buffer of frames, and nothing is
taken while anything that came before it still waits for the application.
"""

from collections.abc import Callable
from struct import Struct
from types import GeneratorType
from typing import Any

from websockets.frames import TEXT, Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from shared.patience import PatientWebSocket
from shared.slim import Fifo, Flag

try:
    from websockets.speedups import apply_mask
except ImportError:  # as the library does
    from websockets.utils import apply_mask

AT_ONCE_BYTES = 65_536
"""What may be said before it is written. uvloop and asyncio ask for a pause beyond that, so it is found out in time."""

WHOLE_TEXT = 0x81
"""How a text frame begins that is no part of a longer one."""

SHORT_BYTES = 125
"""What the frame's second byte can tell the length of; it is masked by the next four."""

_MASKED = 0x80
_AROUND = 6  # a short frame's bytes beside its text
_longer_head = Struct(">BBH").pack
_longest_head = Struct(">BBQ").pack


class StraightWebSocket(PatientWebSocket):
    """`take` gets text frames that came whole, in UTF-8 or not; True: it needs nobody else."""

    take: Callable[[bytes], bool] | None = None
    _unwritten = 0
    _between_frames = False  # whether what comes next begins with a frame; False also when that is not known

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.queue = Fifo()  # type: ignore[assignment]  # what of it is asked for is the same
        self.writable = Flag()  # type: ignore[assignment]
        self.writable.set()

    def forget_head(self) -> None:
        """Of its request and the answer, once the WebSocket is accepted: a quarter of what an idle connection holds."""
        self.request.headers.clear()
        self.response.headers.clear()
        self.scope.clear()  # type: ignore[attr-defined]  # it is a dict

    def can_say(self) -> bool:
        """False: through ASGI it would wait, or fail."""
        return self.writable.is_set() and not self.close_sent and not self.disconnected and self.conn.state is OPEN

    def say(self, text: bytes) -> None:
        """Only when it can. Written in one piece with all that is said in this turn of the loop."""
        self.conn.writes += (_head(len(text)), text)  # as its `send_text` does in the end
        if not self._unwritten:
            self.loop.call_soon(self._write)
        self._unwritten += len(text)
        if self._unwritten >= AT_ONCE_BYTES:
            self._write()

    def data_received(self, data: bytes) -> None:
        texts = _short_texts(data) if self._may_cut() else None
        if texts is None:
            super().data_received(data)
            self._between_frames = self.take is not None and _is_between_frames(self.conn)
            return
        for text in texts:
            self.handle_text(Frame(TEXT, text))

    def _may_cut(self) -> bool:
        """Whether what comes now is a frame's beginning, and the library's parser would do no more than cut it up."""
        return (
            self._between_frames
            and self.take is not None
            and not self.close_sent
            and self.conn.state is OPEN
            and self.conn.current_size is None
        )

    def say_now(self, frame: bytes) -> bool:
        """A whole frame, as it is. False: nothing was written, something else comes first."""
        if self._unwritten or not self.can_say() or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.conn.parser.close()  # it points back at what holds it, and both would wait for the garbage collector

    def handle_text(self, event: Frame) -> None:
        if (
            self.take is None
            or not event.fin
            or self.close_sent
            or not self.queue.empty()
            or not self.take(bytes(event.data))
        ):
            super().handle_text(event)

    def _write(self) -> None:
        if self._unwritten:
            self._unwritten = 0
            frames = self.conn.data_to_send()  # none, if ASGI has written them with its own
            if frames and not self.transport.is_closing():
                self.transport.write(b"".join(frames))


def _head(size: int) -> bytes:
    """Of a text frame that a server sends."""
    if size <= SHORT_BYTES:
        return bytes((WHOLE_TEXT, size))
    return _longer_head(WHOLE_TEXT, 126, size) if size < 1 << 16 else _longest_head(WHOLE_TEXT, 127, size)


def _short_texts(data: bytes) -> list[bytes] | None:
    """None if anything is in it but whole, short texts: of what stands before a bad frame the library hears nothing."""
    texts: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        start = at + _AROUND
        if start > end or data[at] != WHOLE_TEXT:
            return None
        after = start + data[at + 1] - _MASKED
        if not start <= after <= min(end, start + SHORT_BYTES):
            return None
        texts.append(apply_mask(data[start:after], data[start - 4 : start]))
        at = after
    return texts


def _is_between_frames(conn: ServerProtocol) -> bool:
    """Its parser then asks its reader for the end of the stream; within a frame, for bytes."""
    within: Any = conn.parser
    while isinstance(inner := within.gi_yieldfrom, GeneratorType):
        within = inner
    return within.gi_code is StreamReader.at_eof.__code__ and not conn.reader.buffer
