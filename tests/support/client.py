"""A device of a user as the tests see it, whichever client library it runs."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from tests.support.history import Confirmed, Connected, History, Received
from tests.support.until import until

Json = object


class Mode(StrEnum):
    """What a client does with a message that comes. `SILENT` keeps the callback: see `Client.confirm`."""

    CONFIRM = "confirm"
    VALUE = "value"
    REFUSE = "refuse"
    SILENT = "silent"
    DELAY = "delay"


class Seen(StrEnum):
    """What a client hands over as `seen` whenever it connects: nothing, or the last 256 that it confirmed."""

    NEVER = "never"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Message:
    """One event `message`. `data` is bytes for a binary message."""

    id: str
    data: Json
    type: str
    sender: str | None
    timestamp: int | None
    redelivered: bool
    session: str


@dataclass(slots=True)
class Client(ABC):
    """Records all that happens to it, here and in the history that it shares with others."""

    name: str
    user: str
    history: History
    messages: list[Message] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    connected: bool = False
    refusals: list[tuple[str, Json]] = field(default_factory=list)
    """Each `connect_error` that the server sent: message and data."""
    disconnects: list[str] = field(default_factory=list)
    """The reason of each disconnect, in the client library's words."""
    replaced: int = 0

    @abstractmethod
    async def connect(self, url: str, token: str, *, seen: Seen | list[str] = Seen.NEVER) -> None:
        """Begin to connect, and come back by itself whenever the connection is lost."""

    @abstractmethod
    async def disconnect(self) -> None:
        """Say goodbye as a client does."""

    @abstractmethod
    async def vanish(self) -> None:
        """Be gone without a word."""

    @abstractmethod
    async def mode(self, mode: Mode, *, value: Json = None, reason: str = "", delay_seconds: float = 0.0) -> None:
        """Choose what to do with messages from now on."""

    @abstractmethod
    async def confirm(self, message: str, *, value: Json = None, try_number: int = -1) -> None:
        """Call a callback that was kept; of a message that came several times, the latest or `try_number`'s."""

    @abstractmethod
    async def send(self, to: str, data: Json, **more: Json) -> dict[str, Json]:
        """The gateway's answer to the event `send`."""

    @abstractmethod
    async def renew(self, token: str) -> dict[str, Json]:
        """The gateway's answer to the event `renew`."""

    @abstractmethod
    async def end(self) -> None:
        """Leave nothing behind. Idempotent."""

    @property
    def ids(self) -> list[str]:
        return [message.id for message in self.messages]

    async def online(self, *, sessions: int = 1, seconds: float = 15.0) -> None:
        """Wait until connected, and for the so many-th session at least."""
        await until(lambda: self.connected and len(self.sessions) >= sessions, lambda: f"online: {self}", seconds)

    async def received(self, ids: Iterable[str], *, seconds: float = 15.0) -> None:
        """Wait until each of `ids` has come at least once."""
        wanted = set(ids)
        await until(
            lambda: wanted <= {m.id for m in self.messages},
            lambda: f"{self} lacks {sorted(wanted - set(self.ids))[:10]}",
            seconds,
        )

    async def times(self, message: str, count: int, *, seconds: float = 15.0) -> None:
        """Wait until `message` has come `count` times."""
        await until(lambda: self.ids.count(message) >= count, lambda: f"{message} {count} times to {self}", seconds)

    def note_connected(self, session: str, seen: Iterable[str]) -> None:
        self.connected = True
        self.sessions.append(session)
        self.history.append(Connected(self.name, self.user, session, frozenset(seen)))

    def note_message(self, message: Message) -> None:
        self.messages.append(message)
        self.history.append(Received(self.name, self.user, message.session, message.id))

    def note_confirmed(self, message: str) -> None:
        self.history.append(Confirmed(self.name, self.user, message))

    def note_disconnected(self, reason: str) -> None:
        self.connected = False
        self.disconnects.append(reason)

    def __str__(self) -> str:
        return (
            f"{self.name} of {self.user}: {len(self.messages)} messages, sessions {self.sessions}, "
            f"disconnects {self.disconnects}, refusals {self.refusals}"
        )
