"""What RabbitMQ's management API adds to AMQP: who consumes, and what is under way. Absent, the commands do without."""

import re
import time
from base64 import b64encode
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

PAGE = 500
COLUMNS = "name,type,state,messages_ready,messages_unacknowledged,consumers,idle_since"
"""RabbitMQ 4 tells `idle_since` in a list only to those who ask for it by name."""

ANSWER_SECONDS = 3.0


class Silent(Exception):
    """No management API answers there. Never names a password."""


class Management:
    """Reads only. What RabbitMQ says there, its list of consumers too, may be five seconds old, or ten."""

    def __init__(self, url: str, virtual_host: str) -> None:
        parts = URL(url)
        self._base = str(parts.with_user(None)).rstrip("/")
        login = f"{parts.user or 'guest'}:{parts.password or 'guest'}"
        self._host = quote(virtual_host, safe="")
        self.ahead_seconds: float | None = None
        """How far RabbitMQ's clock was before ours at its last answer; whole seconds are all that it tells."""
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Basic {b64encode(login.encode()).decode()}"},
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def queue(self, name: str) -> dict[str, Any]:
        """Raises `Silent`. Empty: there is no such queue."""
        return await self._get(f"/api/queues/{self._host}/{quote(name, safe='')}")

    async def queues(self, prefix: str, columns: str = COLUMNS) -> list[dict[str, Any]]:
        """All whose names begin so. Raises `Silent`."""
        name = quote(f"^{re.escape(prefix)}", safe="")
        found: list[dict[str, Any]] = []
        page = pages = 1
        while page <= pages:
            path = f"/api/queues/{self._host}?page={page}&page_size={PAGE}&use_regex=true&name={name}&columns={columns}"
            answer = await self._get(path)
            if "items" not in answer:
                raise Silent(f"{self._base} lists no queues")
            found += answer["items"]
            page, pages = page + 1, answer.get("page_count", 1)
        return found

    async def consumers(self, queue: dict[str, Any]) -> list[dict[str, Any]]:
        """Who consumes: what the program calls its connection, its address, its window, and whether it is active."""
        found = []
        for consumer in queue.get("consumer_details", []):
            channel = consumer.get("channel_details") or {}
            connection = await self._get(f"/api/connections/{quote(channel.get('connection_name', ''), safe='')}")
            found.append(
                {
                    "name": connection.get("user_provided_name") or channel.get("connection_name"),
                    "address": f"{channel.get('peer_host')}:{channel.get('peer_port')}",
                    "window": consumer.get("prefetch_count"),
                    "active": bool(consumer.get("active")),
                }
            )
        return found

    async def exchange(self, name: str) -> dict[str, Any]:
        """Raises `Silent`. Empty: there is no such exchange."""
        return await self._get(f"/api/exchanges/{self._host}/{quote(name, safe='')}")

    async def bound(self, exchange: str) -> set[str]:
        """The queues that are bound to it. Raises `Silent`."""
        told = await self._list(f"/api/exchanges/{self._host}/{quote(exchange, safe='')}/bindings/source")
        return {binding["destination"] for binding in told if binding.get("destination_type") == "queue"}

    async def nodes(self) -> list[dict[str, Any]]:
        """Raises `Silent`."""
        return await self._list("/api/nodes")

    async def policies(self) -> list[dict[str, Any]]:
        """Raises `Silent`, also where this account may not know them: that takes the tag `policymaker`."""
        return await self._list(f"/api/policies/{self._host}")

    async def longest(self, prefix: str, columns: Iterable[str], sort: str) -> tuple[list[dict[str, Any]], int]:
        """A page of those whose names begin so, by `sort`, the largest first; how many there are. Raises `Silent`."""
        name = quote(f"^{re.escape(prefix)}", safe="")
        page = f"page=1&page_size={PAGE}&sort={sort}&sort_reverse=true&use_regex=true&name={name}"
        answer = await self._get(f"/api/queues/{self._host}?{page}&columns={','.join(columns)}")
        if "items" not in answer:
            raise Silent(f"{self._base} lists no queues")
        return answer["items"], answer.get("filtered_count", len(answer["items"]))

    async def _list(self, path: str) -> list[dict[str, Any]]:
        answer = await self._ask(path)
        return answer if isinstance(answer, list) else []

    async def _get(self, path: str) -> dict[str, Any]:
        answer = await self._ask(path)
        return answer if isinstance(answer, dict) else {}

    async def _ask(self, path: str) -> Any:
        asked = time.time()
        try:
            async with self._http.get(URL(self._base + path, encoded=True)) as response:
                self.ahead_seconds = ahead(response.headers.get("Date"), asked, time.time())
                if response.status == 404:
                    return {}
                if response.status != 200:
                    raise Silent(f"{self._base} answers {response.status} {response.reason}")
                return await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as err:
            raise Silent(f"{self._base} does not answer") from err


def ahead(date: str | None, asked: float, answered: float) -> float | None:
    """How far the clock that wrote an HTTP `Date` is before ours, 0.0 if it may have been any time in between."""
    try:
        said = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    if said > answered:
        return said - answered
    return min(0.0, said + 1.0 - asked)
