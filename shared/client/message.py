"""A message as a program gets it, and the two ways to answer it."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson


class Place(Protocol):
    """Where the answer to a message goes: the callback of the connection that it came by."""

    def answer(self, value: object) -> bool:
        """False: that connection is over, and the answer went nowhere. Never raises."""


class Office(Protocol):
    """Who keeps the books of what was answered."""

    def settle(self, message: "Message", answer: object) -> None: ...


@dataclass(slots=True, eq=False)
class Message:
    """Confirm it or refuse it, once; a second answer does nothing."""

    id: str
    """Unique for this user among what may be under way; fresh at each try if the publisher set no `message_id`."""
    data: Any
    """JSON, a string, or bytes."""
    type: str
    sender: str | None
    """The user who sent it; None: a publisher did."""
    timestamp: int | None
    """When it was sent, in milliseconds since 1970."""
    redelivered: bool
    """An earlier try is known."""
    _place: Place = field(repr=False)
    _office: Office = field(repr=False)
    answered: bool = False
    deferred: bool = False

    async def confirm(self, value: object = None) -> None:
        """It is handled: it leaves the queue. `value` (JSON) goes into the publisher's receipt.

        On its way when this returns. If the connection is over, the next login says so, `value` included.
        Raises TypeError or ValueError for a value that is no JSON, or that would refuse; OSError when the client's
        `file` cannot be written: then it is not confirmed.
        """
        answer = None if value is None else orjson.loads(orjson.dumps(value))
        if is_refusal(answer):
            raise ValueError("a value with a text `error` would refuse the message: use refuse()")
        self._office.settle(self, answer)

    async def refuse(self, reason: str) -> None:
        """It can never be handled: it becomes a dead letter with this reason. Raises ValueError without a reason."""
        if not reason:
            raise ValueError("a refusal needs a reason")
        self._office.settle(self, {"error": reason})

    def defer(self) -> None:
        """It will be answered later, from another task: it is not handed out again meanwhile, however long it takes."""
        self.deferred = True


def is_refusal(answer: object) -> bool:
    """Whether the gateway will take this answer for a refusal."""
    return isinstance(answer, dict) and isinstance(answer.get("error"), str) and bool(answer["error"])
