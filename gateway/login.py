"""What a gateway knows of a session beside its connection, and of the waiting before it."""

from dataclasses import dataclass

from gateway.engine import Connection as EngineConnection
from gateway.engine import Engine
from gateway.lane import Lane
from gateway.send import Allowance
from gateway.tokens import Claims
from shared.doorstep import Doorstep
from shared.turnstile import Turnstile


@dataclass(slots=True, eq=False)
class Login:
    """A session's own part of a connection."""

    id: str
    claims: Claims
    seen: tuple[str, ...]
    allowance: Allowance
    lane: Lane | None = None  # until the first message to a client on a WebSocket


Connection = EngineConnection[Login]


class Lobby:
    """Where logins wait while a crowd stands at the door.

    A client has no patience for a connection that is not taken, and all of it for the answer to its login. It waits
    here, where little is known of it yet, because thousands may.
    """

    def __init__(self, engine: Engine[Login]) -> None:
        self.doorstep = Doorstep()
        self._engine = engine
        self._turnstile = Turnstile(self.doorstep.crowded)

    async def turn(self, connection: Connection) -> None:
        """Returns when what a stranger said may be read. Its time for saying who it is stands still meanwhile."""
        if self._turnstile.open:
            return
        self._engine.judging(connection)
        try:
            await self._turnstile.turn()
        finally:
            self._engine.refused(connection)  # no login yet, as far as anybody knows
