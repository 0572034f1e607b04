"""What waits for the gateway's ok: one line for each recipient, sent in order, each with its id until it is held."""

import asyncio
import contextlib
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.broker import Backoff

MOST_WAITING = 1000
FINAL = {"bad_request", "forbidden", "too_large"}

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Asks the gateway; raises TimeoutError when it does not answer."""


class NotSent(Exception):
    """A message that will not be sent. Whatever else may go wrong is tried again.

    `code`: `bad_request`, `forbidden`, `too_large` (the gateway's), `expired`, `outbox_full`, or `closed`: the
    client ended first (with a `file`, the next one sends it).
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


@dataclass(slots=True, eq=False)
class Entry:
    """`at`: when it was taken, in seconds since 1970, which is what its `ttl` counts from."""

    id: str
    to: str
    data: Any
    type: str
    ttl: float | None
    at: float
    held: "asyncio.Future[str]" = field(repr=False)

    def kept(self) -> dict[str, Any]:
        return {"id": self.id, "to": self.to, "data": self.data, "type": self.type, "ttl": self.ttl, "at": self.at}


class Outbox:
    """`note` is told all that waits whenever that changes; what it raises, `put` raises."""

    def __init__(
        self, kept: list[dict[str, Any]], note: Callable[[list[dict[str, Any]]], None], max_bytes: int
    ) -> None:
        self._note = note
        self._max_bytes = max_bytes
        loop = asyncio.get_running_loop()
        self._entries = {item["id"]: Entry(**item, held=loop.create_future()) for item in kept}
        self._ask: Ask | None = None
        self._lines: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, to: str, data: object, own_id: str | None, kind: str, ttl: float | None) -> "asyncio.Future[str]":
        """Resolves with the full id once it is held. An id that waits already is not put twice. Raises `NotSent`."""
        own_id = own_id or secrets.token_hex(16)
        if (there := self._entries.get(own_id)) is not None:
            return there.held
        try:
            body = orjson.dumps(data)
        except TypeError as err:
            raise NotSent("bad_request", f"data must be JSON: {err}") from err
        if ttl is not None and not math.isfinite(ttl):  # no JSON: the gateway would close each connection it came by
            raise NotSent("bad_request", "ttl must be a number of seconds")
        if len(body) > self._max_bytes:
            raise NotSent("too_large", f"{len(body)} bytes where {self._max_bytes} are allowed")
        if len(self._entries) >= MOST_WAITING:
            raise NotSent("outbox_full", f"{MOST_WAITING} messages wait")
        held: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        entry = Entry(own_id, to, orjson.loads(body), kind, ttl, time.time(), held)
        self._note([*(other.kept() for other in self._entries.values()), entry.kept()])
        self._entries[own_id] = entry
        self._begin(to)
        return held

    def connected(self, ask: Ask) -> None:
        """From now on what waits is sent."""
        self._ask = ask
        for entry in list(self._entries.values()):
            self._begin(entry.to)

    async def lost(self) -> None:
        """The connection is over: what was under way is sent again by the next one."""
        self._ask = None
        lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)

    def end(self, error: Exception) -> None:
        """Nobody need wait any longer."""
        for entry in self._entries.values():
            if not entry.held.done():
                entry.held.set_exception(error)
                entry.held.exception()  # whoever does not wait need not hear of it

    def _begin(self, to: str) -> None:
        if self._ask is not None and to not in self._lines:
            self._lines[to] = asyncio.create_task(self._line(self._ask, to), name=f"outbox for {to}")

    async def _line(self, ask: Ask, to: str) -> None:
        backoff = Backoff(first_seconds=0.5, most_seconds=30.0)
        while (entry := next((entry for entry in self._entries.values() if entry.to == to), None)) is not None:
            if await self._transmit(ask, entry):
                backoff.reset()
            else:
                await backoff.wait()
        del self._lines[to]

    async def _transmit(self, ask: Ask, entry: Entry) -> bool:
        """Whether it left the outbox."""
        body = {"id": entry.id, "to": entry.to, "data": entry.data, "type": entry.type}
        if entry.ttl is not None:
            left = entry.ttl - max(0.0, time.time() - entry.at)
            if left <= 0:
                return self._left(entry, NotSent("expired"))
            body["ttl"] = left
        answer: dict[str, Any] = {}
        with contextlib.suppress(TimeoutError):
            answer = await ask(body)
        if answer.get("ok"):
            return self._left(entry, str(answer["id"]))
        if answer.get("error") in FINAL:
            return self._left(entry, NotSent(str(answer["error"]), str(answer.get("detail", ""))))
        return False

    def _left(self, entry: Entry, how: str | NotSent) -> bool:
        del self._entries[entry.id]
        if not entry.held.done():
            if isinstance(how, str):
                entry.held.set_result(how)
            else:
                entry.held.set_exception(how)
                entry.held.exception()
        with contextlib.suppress(OSError):  # it would be sent again, with its id
            self._note([other.kept() for other in self._entries.values()])
        return True
