"""Whether the broker, short of memory or disk, has stopped reading a connection that publishes.

RabbitMQ says so only to a connection that publishes during the alarm, after the head of its first message; what else
is written to that connection it reads when the alarm is over. It goes on writing to it, deliveries too.
"""

import asyncio
from collections.abc import Callable

from aio_pika.abc import AbstractConnection
from pamqp.commands import Connection

from shared.broker import wire

Listener = Callable[[], None]


class Alarm:
    """Of one connection. `reason` is the broker's own, empty while there is no alarm."""

    def __init__(self, connection: AbstractConnection | None = None) -> None:
        """None: there never is one."""
        self.reason = ""
        self._over = asyncio.Event()
        self._over.set()
        self._listeners: list[Listener] = []
        if connection is not None:
            self._watch(connection)

    @property
    def on(self) -> bool:
        return bool(self.reason)

    def listen(self, changed: Listener) -> None:
        """`changed` is called at each beginning and each end. The end of the connection is an end."""
        self._listeners.append(changed)

    async def over(self) -> None:
        """Returns at once while there is no alarm."""
        await self._over.wait()

    def _watch(self, connection: AbstractConnection) -> None:
        async def blocked(frame: Connection.Blocked) -> None:
            self._become(frame.reason or "short of memory or disk")

        async def unblocked(_frame: Connection.Unblocked) -> None:
            self._become("")

        # aiormq keeps both to itself. Tests hold these names down.
        below = wire(connection)
        setattr(below, "_Connection__handle_connection_blocked", blocked)  # noqa: B010 -- name mangling
        setattr(below, "_Connection__handle_connection_unblocked", unblocked)  # noqa: B010
        below.closing.add_done_callback(lambda _: self._become(""))

    def _become(self, reason: str) -> None:
        if reason == self.reason:
            return
        self.reason = reason
        if reason:
            self._over.clear()
        else:
            self._over.set()
        for changed in self._listeners:
            changed()
