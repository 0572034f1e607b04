"""A Socket.IO client that shows messages and answers them, over as many connections as it takes.

python-socketio acks an event with whatever the handler returns, even when it was cancelled, on whatever
connection there is by then. So each connection has a client of its own, and a handler that must not confirm
never returns: an ack can only ever reach the session that the message came to.
"""

import asyncio
import base64
import contextlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import socketio
from rich.text import Text

from shared.broker import Backoff
from shared.cli.failures import Failure
from shared.cli.printing import note, out, show_json, visible

SEEN = 256
LOGIN_SECONDS = 10
CLOSE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What each message is answered with. `value` is JSON."""

    never: bool = False
    refusal: str | None = None
    after_seconds: float = 0.0
    value: Any = None

    def __str__(self) -> str:
        if self.never:
            return "not confirmed"
        if self.refusal is not None:
            return f"refused: {self.refusal}"
        return f"confirms in {self.after_seconds:g} s" if self.after_seconds else "confirmed"


class Client:
    """One user at one gateway. `received` and `answered` count messages; one that comes again counts again."""

    def __init__(
        self,
        url: str,
        path: str,
        namespace: str,
        *,
        token: Callable[[], str],
        answer: Answer,
        seen: list[str],
        as_json: bool,
    ) -> None:
        self.received = 0
        self.answered = 0
        self._url = url
        self._path = path.strip("/")
        self._namespace = namespace
        self._token = token
        self._answer = answer
        self._seen = deque(seen, maxlen=SEEN)
        self._as_json = as_json
        self._stop = asyncio.Event()
        self._count: int | None = None
        self._said = ""
        self._refused: str | None = None

    def stop(self) -> None:
        """Idempotent."""
        self._stop.set()

    async def run(self, count: int | None) -> None:
        """Until `stop`, or until `count` messages were answered. Raises `Failure` where a retry cannot help."""
        self._count = count
        backoff = Backoff(most_seconds=5.0)
        while not self._stop.is_set() and self._refused is None:
            if await self._connection():
                backoff.reset()
            if self._refused is None:
                await self._stopped_or(asyncio.ensure_future(backoff.wait()))
        if self._refused is not None:
            raise Failure(self._refused)

    async def _stopped_or(self, other: asyncio.Future[Any]) -> None:
        stop = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({stop, other}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()

    async def _connection(self) -> bool:
        """One connection from its beginning to its end; whether it came about."""
        gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        on = {
            "message": partial(self._message, gone),
            "replaced": self._replaced,
            "connect_error": self._connect_error,
        }
        for event, handler in on.items():
            client.on(event, handler, namespace=self._namespace)
        client.on("disconnect", gone.set_result, namespace=self._namespace)
        try:
            await client.connect(
                self._url,
                auth=lambda: {"token": self._token(), "seen": list(self._seen)},
                transports=["websocket"],
                namespaces=[self._namespace],
                socketio_path=self._path,
                wait_timeout=LOGIN_SECONDS,
            )
        except socketio.exceptions.ConnectionError as err:
            if self._refused is None:
                self._note(f"no gateway at {self._url} yet ({err}); trying again", "yellow")
            return False
        self._note(f"connected to {self._url}, session {client.get_sid(self._namespace)}", "green")
        await self._stopped_or(gone)
        if not gone.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await client.eio.queue.join()  # the last answers are written before the library closes
            await client.disconnect()
        elif gone.result() == client.reason.SERVER_DISCONNECT:
            self._refused = self._refused or "the gateway sent this client away for good"
        else:
            self._note(f"disconnected ({gone.result()}); coming back", "yellow")
        return True

    async def _message(self, gone: asyncio.Future[str], message: dict[str, Any]) -> Any:
        """Its return value is the confirmation; `gone` is resolved once nobody would get it."""
        never = asyncio.Event()
        if self.received == self._count or self._refused is not None:
            await never.wait()
        self.received += 1
        try:
            self._show(message)
        except Failure as err:  # what nobody saw is not confirmed, and must not become a dead letter either
            self.received -= 1
            self._refused = str(err)
            self.stop()
            await never.wait()
        if self._answer.never:
            if self.received == self._count:
                self.stop()
            await never.wait()
        await asyncio.wait([gone], timeout=self._answer.after_seconds)
        if gone.done():
            if not self._stop.is_set():
                self.received -= 1  # it comes again
            await never.wait()
        self.answered += 1
        if self.answered == self._count:
            self.stop()  # heard on the loop's next turn, when the answer below is on its way
        if self._answer.refusal is not None:
            return {"error": self._answer.refusal}
        self._seen.append(str(message.get("id")))
        if self._answer.after_seconds and not self._as_json:
            with contextlib.suppress(Failure):  # it was seen; the next one ends this
                out().print(Text(f"          {visible(str(message.get('id')))}  confirmed", "green"))
        return self._answer.value

    def _note(self, text: str, style: str) -> None:
        """Once, however often it is tried in vain."""
        if text != self._said:
            note(text, style)
        self._said = text

    async def _replaced(self, *_: object) -> None:
        self._refused = "replaced: this user has more sessions than the gateway allows"

    async def _connect_error(self, error: object = None) -> None:
        if isinstance(error, dict) and "message" in error:  # anything else is a transport's trouble, which passes
            detail = error["data"].get("detail", "") if isinstance(error.get("data"), dict) else ""
            self._refused = f"the gateway refuses: {error['message']}{f' ({detail})' if detail else ''}"

    def _show(self, message: dict[str, Any]) -> None:
        data = message.get("data")
        if self._as_json:
            encoded = {"base64": base64.b64encode(data).decode()} if isinstance(data, bytes) else {"data": data}
            show_json({**message, "data": None, **encoded, "answer": str(self._answer)})
            return
        shown = f"<{len(data)} bytes>" if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False)
        parts: list[str | tuple[str, str]] = [
            (f"{datetime.now().astimezone():%H:%M:%S}  ", "dim"),
            (visible(str(message.get("id"))), "bold"),
            "  " + visible(shown),
        ]
        if message.get("type"):
            parts.append((f"  {visible(str(message['type']))}", "cyan"))
        if message.get("from"):
            parts.append((f"  from {visible(str(message['from']))}", "magenta"))
        if message.get("redelivered"):
            parts.append(("  again", "yellow"))
        parts.append((f"  {self._answer}", "red" if self._answer.never or self._answer.refusal else "green"))
        out().print(Text.assemble(*parts), soft_wrap=True)
