"""`python -m tests.bench.load.clients`: many clients in a process of their own, so that what they cost is known apart.

Lines of JSON. The first says who there is; then come `arrive` (one after the other), `connect` (all at once), `cut`,
`go_on`, `report` and `stop`. Ten times a second it says how far it is.
"""

import asyncio
import gc
import json
import os
import random
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import asdict
from math import inf
from typing import Any

import uvloop

from tests.bench.load.bodies import NUMBER_BASE
from tests.bench.load.mqtt import Mqtt
from tests.bench.load.nats import Nats
from tests.bench.load.socket import Socket
from tests.bench.load.socketio import SocketIO
from tests.bench.load.tally import Mailbox, Tally
from tests.support.until import until

REPORT_SECONDS = 0.1
LOOK_SECONDS = 1.0
PACE_SECONDS = 0.005
ARRIVAL_SECONDS = 300.0
ARRIVING_AT_ONCE = 50
PROTOCOLS: dict[str, type[Socket]] = {"socket.io": SocketIO, "mqtt": Mqtt, "nats": Nats}

# What the stock JavaScript client does: it gives up on a connection that is not answered (by engine.io's handshake; for
# what follows it has no limit), and comes back later each time.
GIVE_UP_SECONDS = 20.0
DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1.0, 5.0


class Member:
    """One user's client, over all its connections."""

    def __init__(self, crowd: "Clients", port: int, login: str) -> None:
        self.crowd, self.port, self.login = crowd, port, login
        self.mailbox = Mailbox(crowd.tally)
        self.socket: Socket | None = None
        self.tries = 0
        self.began = 0.0

    async def connect(self) -> None:
        self.began = time.monotonic()
        socket = self.crowd.protocol(self.mailbox, self.crowd.tally, self.login, lambda: self.lost(socket))
        socket.held = [] if self.crowd.hold else None
        self.socket = socket
        try:
            await asyncio.get_running_loop().create_connection(lambda: socket, self.crowd.host, self.port)
        except OSError:
            self.lost(socket)

    def lost(self, socket: Socket) -> None:
        """Not asked for, unless the crowd is cut."""
        if socket is not self.socket:
            return
        self.socket = None
        if self.crowd.away:
            return
        self.crowd.tally.lost += 1
        self.tries += 1
        longest = min(LONGEST_DELAY_SECONDS, DELAY_SECONDS * 2 ** (self.tries - 1))
        self.crowd.later(longest * random.uniform(0.5, 1.5), self)  # noqa: S311 -- spreads them, no more

    def look(self, now: float) -> None:
        socket = self.socket
        if socket is not None and not socket.answered and now - self.began > GIVE_UP_SECONDS:
            self.crowd.tally.timeouts += 1
            socket.cut()
            self.lost(socket)  # it may not even be a connection yet


class Clients:
    """All of this process. `away`: nobody comes back by itself."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.host: str = wanted["host"]
        self.protocol = PROTOCOLS[wanted["protocol"]]
        self.tally = Tally({**wanted["watched"], "clients": os.getpid()}, wanted["marks"])
        self.hold: bool = wanted["hold"]
        self.away = True
        self.members = [Member(self, port, login) for port, login in wanted["clients"]]
        self.began = 0.0
        self._looked = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def later(self, seconds: float, member: Member) -> None:
        def again() -> None:
            if not self.away and member.socket is None:
                self._start(member.connect())

        asyncio.get_running_loop().call_later(seconds, again)

    async def connect(self, at_once: float = inf) -> None:
        """`at_once`: at most so many are on their way in."""
        self.away, self.began = False, time.monotonic()
        for member in self.members:
            member.tries = 0
            member.mailbox.last_at = member.mailbox.online_at = 0.0
        for started, member in enumerate(self.members):
            if started - self.tally.online >= at_once:
                await self._room(started, at_once)
            self._start(member.connect())

    def go_on(self) -> None:
        self.hold = False
        for member in self.members:
            if member.socket is not None:
                member.socket.go_on()

    def cut(self) -> None:
        self.away = True
        for member in self.members:
            if member.socket is not None:
                member.socket.cut()

    def look(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        for member in self.members:
            member.look(now)

    def state(self) -> dict[str, object]:
        tally = self.tally
        names = ("online", "lost", "timeouts", "refused", "count", "repeated", "skipped", "damaged")
        return {name: getattr(tally, name) for name in names}

    def report(self) -> dict[str, object]:
        """Latencies since the last report; for each client, when it was online and had its last message.

        What the publisher is asked for next is numbered from the beginning.
        """
        tally, boxes = self.tally, [member.mailbox for member in self.members]
        said = {
            **self.state(),
            "began": self.began,
            "latencies_ms": [us / 1000 for us in tally.latencies_us],
            "online_seconds": [box.online_at - self.began for box in boxes if box.online_at],
            "last_seconds": [box.last_at - self.began for box in boxes if box.last_at],
            "marks": [asdict(mark) for mark in tally.noted],
        }
        del tally.latencies_us[:]
        for box in boxes:
            box.expected = NUMBER_BASE
        return said

    async def _room(self, started: int, at_once: float) -> None:
        def there() -> bool:
            return started - self.tally.online < at_once

        await until(there, "room for the next client", ARRIVAL_SECONDS, step_seconds=PACE_SECONDS)

    def arrive(self) -> None:
        """One after the other, as on any day."""
        self._start(self.connect(ARRIVING_AT_ONCE))

    def _start(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _say(fields: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


async def main() -> None:
    reader = asyncio.StreamReader(limit=2**26)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    clients = Clients(json.loads(await reader.readline()))
    gc.freeze()
    command = asyncio.create_task(reader.readline())
    while True:
        with suppress(TimeoutError):
            match (await asyncio.wait_for(asyncio.shield(command), REPORT_SECONDS)).strip():
                case b"arrive":
                    clients.arrive()
                case b"connect":
                    await clients.connect()
                case b"go_on":
                    clients.go_on()
                case b"cut":
                    clients.cut()
                case b"report":
                    _say({"report": clients.report()})
                case _:
                    clients.cut()
                    return
            command = asyncio.create_task(reader.readline())
        clients.look()
        _say({"state": clients.state()})


if __name__ == "__main__":
    uvloop.run(main())
