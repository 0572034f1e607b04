"""uvicorn's WebSocket with a way past ASGI: text goes out without a coroutine, text that comes can be taken at once.

Both ways keep the order of what goes through ASGI: what is said joins the same buffer of frames, and nothing is
taken while anything that came before it still waits for the application.
"""

from collections.abc import Callable

from websockets.frames import Frame
from websockets.protocol import OPEN

from shared.patience import PatientWebSocket

AT_ONCE_BYTES = 65_536
"""What may be said before it is written. uvloop and asyncio ask for a pause beyond that, so it is found out in time."""


class StraightWebSocket(PatientWebSocket):
    """`take` gets text frames that came whole, in UTF-8 or not; True: it needs nobody else."""

    take: Callable[[bytes], bool] | None = None
    _unwritten = 0

    def can_say(self) -> bool:
        """False: through ASGI it would wait, or fail."""
        return self.writable.is_set() and not self.close_sent and not self.disconnected and self.conn.state is OPEN

    def say(self, text: bytes) -> None:
        """Only when it can. Written in one piece with all that is said in this turn of the loop."""
        self.conn.send_text(text)
        if not self._unwritten:
            self.loop.call_soon(self._write)
        self._unwritten += len(text)
        if self._unwritten >= AT_ONCE_BYTES:
            self._write()

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
