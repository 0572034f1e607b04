"""What came, what was handed out, what was answered: so that no message is handed out twice."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from shared.client.message import Message, Place, is_refusal

SEEN = 256
"""How many ids the gateway takes, and the longest of them."""
ID_CHARACTERS = 257


class Inbox:
    """`note` is told the ids handled lately, the oldest first, before an answer is given."""

    def __init__(self, seen: Iterable[str], note: Callable[[list[str]], None]) -> None:
        self._note = note
        self._handled: dict[str, None] = dict.fromkeys(list(seen)[-SEEN:])
        self._owed: dict[str, object] = {}
        """Answers to messages whose connection is over."""
        self._waiting: deque[Message] = deque()
        self._out: dict[str, Message] = {}
        """Handed out and not answered."""
        self._last: Message | None = None

    @property
    def seen(self) -> list[str]:
        """What to name at the next login. An id with a value to tell is left out: it comes again and is answered."""
        return [message for message in self._handled if message not in self._owed]

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    def arrive(self, said: dict[str, Any], place: Place) -> None:
        """A message came by a connection."""
        message = Message(
            str(said.get("id")),
            said.get("data"),
            said.get("type") or "",
            said.get("from"),
            said.get("timestamp"),
            bool(said.get("redelivered")),
            place,
            self,
        )
        out = self._out.get(message.id)
        if self._is_settled(message):
            return
        if out is not None and (out.deferred or out is self._last):
            out._place = place  # noqa: SLF001 -- somebody is at it: the newest callback counts
        else:
            self._waiting.append(message)

    def next(self) -> Message | None:
        """Hand out a message. The one before it, if it is neither answered nor deferred, may be handed out again."""
        while self._waiting:
            message = self._waiting.popleft()
            if self._is_settled(message):  # since it came
                continue
            self._out[message.id] = self._last = message
            if len(self._out) > SEEN:
                del self._out[next(iter(self._out))]
            return message
        self._last = None  # whoever asks has gone past it
        return None

    def _is_settled(self, message: Message) -> bool:
        if message.id in self._owed:
            return message._place.answer(self._owed.pop(message.id))  # noqa: SLF001
        return message.id in self._handled and message._place.answer(None)  # noqa: SLF001

    def lost(self) -> None:
        """The connection is over: what was not handed out comes again, in its order."""
        self._waiting.clear()

    def settle(self, message: Message, answer: object) -> None:
        if message.answered:
            return
        current = self._out.get(message.id, message)
        if not is_refusal(answer) and len(message.id) <= ID_CHARACTERS:
            handled = {**self._handled, message.id: None}
            while len(handled) > SEEN:
                del handled[next(iter(handled))]
            self._note(list(handled))
            self._handled = handled
        message.answered = current.answered = True
        self._out.pop(message.id, None)
        if not current._place.answer(answer) and answer is not None:  # noqa: SLF001
            self._owed[message.id] = answer
            if len(self._owed) > SEEN:
                del self._owed[next(iter(self._owed))]
