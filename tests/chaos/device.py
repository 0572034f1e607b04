"""A client of the chaos runs: it confirms, falls silent, is late, says nonsense, vanishes, and comes back by itself."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from socketio import packet

from tests.support.client import Json, Message, Seen
from tests.support.python_client import PythonClient

NONSENSE = (1, 500_000)
"""What nobody was sent, and what was answered long ago."""

RETRY_SECONDS = 0.3


class Unanswered(Exception):
    """Leaves a handler without an answer: the library would send one after a return, or a cancellation."""


@dataclass(slots=True)
class Device(PythonClient):
    """`pause_seconds` is how long it keeps a message before it confirms; None: for ever.

    Whoever has it vanish and come back holds `moving` meanwhile.
    """

    remembers: bool = True
    pause_seconds: float | None = 0.0
    keeps_callbacks: bool = True
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def come(self, url: str, token: str) -> None:
        """Connect, and try until it worked once; from then on the library does."""
        while True:
            await self.connect(url, token, seen=Seen.CONFIRMED if self.remembers else Seen.NEVER)
            if self.connected:
                return
            await asyncio.sleep(RETRY_SECONDS)

    def answer_after(self, seconds: float | None) -> None:
        """What is kept is answered by the new rule too."""
        self.pause_seconds = seconds
        self._changed.set()
        self._changed = asyncio.Event()

    def forget(self) -> None:
        """Its storage is lost: `seen` begins anew."""
        self._confirmed.clear()

    async def say_nonsense(self) -> None:
        """Confirm what is confirmed, and what it never was sent."""
        if self._sio is not None and self.connected:
            for number in NONSENSE:
                await self._sio._send_packet(packet.Packet(packet.ACK, namespace="/", id=number, data=[]))

    async def _receive(self, said: dict[str, Any]) -> Json:
        sio = self._sio
        session = sio.get_sid() if sio is not None else None
        if session is None:
            raise Unanswered  # it heard it after it had left
        fields = {key: said[key] for key in ("id", "data", "type", "timestamp", "redelivered")}
        self.note_message(Message(**fields, sender=said["from"], session=session))
        if not self.keeps_callbacks:
            raise Unanswered
        while self.pause_seconds is None or self.pause_seconds > 0:
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), self.pause_seconds)
            except TimeoutError:
                break
        if sio is not self._sio or sio.get_sid() != session:
            raise Unanswered  # an answer now would be taken for that to another message
        self._confirmed.append(said["id"])
        self.note_confirmed(said["id"])
        return None
