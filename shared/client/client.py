"""The client itself: comes back whenever its connection is lost, and tells the inbox and the outbox."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shared.broker import Backoff
from shared.client.inbox import Inbox
from shared.client.memory import Memory
from shared.client.message import Message, Place
from shared.client.outbox import NotSent, Outbox
from shared.client.renewal import renew_in_seconds
from shared.client.session import Away, Dismissed, LoginRefused, Session

Token = str | Callable[[], Awaitable[str]]

QUIET_SECONDS = 0.5

_log = logging.getLogger(__name__)


class State(StrEnum):
    """`CATCHING_UP`: a session, and what waited is coming. Ends after half a second in which nothing came.

    That is an estimate, since nobody says that a queue is empty.
    """

    OFFLINE = "offline"
    CATCHING_UP = "catching-up"
    ONLINE = "online"


class Stopped(Exception):
    """The gateway sent this client away for good: `unauthorized`, `bad_request`, `replaced` or `disconnected`."""


class Client:
    """A user's session. `async with` connects it; iterate over it for messages.

        async with Client("https://gateway.example", token=fetch_token) as client:
            async for message in client:
                await message.confirm()

    For messages whose publisher set a `message_id`: each is handed out once, in the order of the user's queue,
    although the gateway may send it again; with a `file` across restarts of the program too. It is handed out
    again, when the gateway sends it again, only if the program asked for the next one without confirming,
    refusing or deferring it. The gateway does so after its confirm timeout (30 s), and after 5 tries it becomes a
    dead letter; so confirm within that time.

    What `send` took is sent, with one id, until the gateway says that the broker holds it; messages to one
    recipient keep their order.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token,
        path: str = "/socket.io/",
        namespace: str = "/",
        file: Path | None = None,
        max_bytes: int = 262_144,
        on_state: Callable[[State], None] = lambda _: None,
    ) -> None:
        """`token`: a JWT, or a function that fetches one: asked at each login and before the token ends.

        `file` keeps the last 256 ids that were handled, and what is not sent yet: of this user and this program
        alone. `max_bytes`: the gateway's MAX_MESSAGE_BYTES.
        """
        self._url, self._path, self._namespace = url, path, namespace
        self._token = token
        self._unused_token: str | None = None
        self._file = file
        self._max_bytes = max_bytes
        self._on_state = on_state
        self._state = State.OFFLINE
        self._news = asyncio.Event()
        self._arrived_at = 0.0
        self._end: Exception | None = None
        self._inbox: Inbox
        self._outbox: Outbox
        self._running: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        return self._state

    @property
    def waiting_to_be_sent(self) -> int:
        return len(self._outbox)

    async def __aenter__(self) -> Self:
        """Does not wait for a gateway. Raises OSError or ValueError for a `file` that cannot be used."""
        memory = Memory(self._file)
        self._inbox = Inbox(memory.seen, memory.keep_seen)
        self._outbox = Outbox(memory.outbox, memory.keep_outbox, self._max_bytes)
        self._running = asyncio.create_task(self._run(), name=f"client of {self._url}")
        self._running.add_done_callback(self._ended)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What was confirmed before is on its way; what waits to be sent is given up, but for the `file`."""
        assert self._running is not None  # noqa: S101 -- entered
        self._running.cancel()
        await asyncio.wait({self._running})

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """The next message. Raises `Stopped`; ends when the client is closed. Waits as long as it takes."""
        while True:
            if (message := self._inbox.next()) is not None:
                return message
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()

    async def send(
        self,
        to: str,
        data: object,
        *,
        id: str | None = None,  # noqa: A002 -- its name in the contract
        type: str = "",  # noqa: A002
        ttl: float | None = None,
    ) -> str:
        """The message's full id (`<sender>/<id>`), once the broker holds it, however long that takes.

        `id`: 1 to 126 printable ASCII characters; the same one sent twice arrives once. `ttl`: seconds, from now,
        after which nobody wants it. Raises `NotSent`, or `Stopped`. To cancel the wait does not take it back.
        """
        if self._end is not None:
            raise NotSent("closed") if isinstance(self._end, StopAsyncIteration) else self._end
        return await asyncio.shield(self._outbox.put(to, data, id, type, ttl))

    async def _run(self) -> None:
        backoff = Backoff(most_seconds=5.0)
        while True:
            try:
                await self._session(backoff)
            except Away as err:
                _log.debug("no gateway; tried again: %s", err)
            except Dismissed as err:
                raise Stopped(str(err)) from err
            except LoginRefused as err:
                if err.code != "token_expired" or isinstance(self._token, str):
                    raise Stopped(str(err)) from err
            await backoff.wait()

    def _ended(self, running: "asyncio.Task[None]") -> None:
        error = None if running.cancelled() else running.exception()
        self._end = error if isinstance(error, Exception) else StopAsyncIteration()
        self._outbox.end(NotSent("closed") if running.cancelled() else self._end)
        self._become(State.OFFLINE)
        self._news.set()

    async def _session(self, backoff: Backoff) -> None:
        token = self._unused_token = self._unused_token or await self._fetch()
        session = Session(self._url, self._path, self._namespace, self._arrive)
        tasks: list[asyncio.Task[None]] = []
        try:
            try:
                await session.open(token, self._inbox.seen)
            except LoginRefused:
                self._unused_token = None
                raise
            self._unused_token = None
            backoff.reset()
            self._arrived_at = time.monotonic()
            self._become(State.CATCHING_UP)
            self._outbox.connected(lambda body: session.ask("send", body))
            tasks = [asyncio.create_task(self._renew(session, token)), asyncio.create_task(self._catch_up())]
            _log.debug("connection lost: %s", await session.ended())
        finally:
            for task in tasks:
                task.cancel()
            await self._outbox.lost()
            await session.close()
            self._inbox.lost()
            self._become(State.OFFLINE)

    async def _fetch(self) -> str:
        backoff = Backoff(first_seconds=0.5, most_seconds=30.0)
        while not isinstance(self._token, str):
            try:
                return await self._token()
            except Exception as err:  # noqa: BLE001 -- whatever an application's login raises, it may work later
                _log.warning("no token; tried again: %s", str(err) or type(err).__name__)
            await backoff.wait()
        return self._token

    async def _renew(self, session: Session, token: str) -> None:
        backoff = Backoff(first_seconds=1.0, most_seconds=30.0)
        while not isinstance(self._token, str) and (seconds := renew_in_seconds(token)) is not None:
            await asyncio.sleep(seconds)
            token = await self._fetch()
            while not (answer := await self._renewed(session, token)).get("ok"):
                _log.warning("token not renewed; tried again: %s", answer.get("error", "no answer"))
                await backoff.wait()
                token = await self._fetch()
            backoff.reset()

    async def _renewed(self, session: Session, token: str) -> dict[str, Any]:
        try:
            return await session.ask("renew", {"token": token})
        except TimeoutError:
            return {}

    async def _catch_up(self) -> None:
        while (quiet := time.monotonic() - self._arrived_at) < QUIET_SECONDS or not self._inbox.is_empty:  # noqa: ASYNC110
            await asyncio.sleep(max(0.05, QUIET_SECONDS - quiet))
        self._become(State.ONLINE)

    def _arrive(self, said: dict[str, Any], place: Place) -> None:
        self._arrived_at = time.monotonic()
        self._inbox.arrive(said, place)
        self._news.set()

    def _become(self, state: State) -> None:
        if state is not self._state:
            self._state = state
            self._on_state(state)
