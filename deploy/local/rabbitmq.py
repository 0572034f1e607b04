"""What we ask any RabbitMQ, wherever it runs: whether it is up, its version, for virtual hosts, how full queues are."""

import base64
import http.client
import json
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

_TIMEOUT_SECONDS = 30.0  # a busy machine takes its time to make a virtual host
_POLL_SECONDS = 0.1
_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


class NoBroker(Exception):
    """There is no RabbitMQ of this kind to be had here; says why."""


class Management:
    """The management API at an address that holds user and password."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        login = f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}"
        self.user = unquote(parts.username or "guest")
        self._base = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
        self._authorization = "Basic " + base64.b64encode(login.encode()).decode()
        # Not through a proxy that the environment names: the address is ours.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def version(self) -> str:
        """Raises OSError when nobody answers."""
        try:
            return str(self.request("GET", "/api/overview")["rabbitmq_version"])
        except (KeyError, TypeError) as err:
            raise OSError(f"{self._base} is no RabbitMQ's") from err

    def create_vhost(self, name: str) -> None:
        self.request("PUT", f"/api/vhosts/{quote(name, safe='')}", {})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.request("PUT", f"/api/permissions/{quote(name, safe='')}/{quote(self.user, safe='')}", everything)

    def delete_vhost(self, name: str) -> None:
        self.request("DELETE", f"/api/vhosts/{quote(name, safe='')}")

    def depths(self, vhost: str, queues: Collection[str]) -> dict[str, tuple[int, int]]:
        """Ready and unacked of those queues that there are. Raises OSError.

        In a list, and without its statistics, RabbitMQ 3.10 as well as 4 says what is so now and not some seconds ago.
        """
        names = quote(f"^({'|'.join(map(re.escape, queues))})$", safe="")
        live = "disable_stats=true&enable_queue_totals=true"
        path = f"/api/queues/{quote(vhost, safe='')}?{live}&page=1&page_size=100&use_regex=true&name={names}"
        found = self.request("GET", path)["items"]
        return {queue["name"]: (queue["messages_ready"], queue["messages_unacknowledged"]) for queue in found}

    def request(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON, or None. Raises OSError, also for a status of 400 and more."""
        request = urllib.request.Request(  # noqa: S310 -- the scheme is whatever the operator set
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": self._authorization, "Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
                text = answer.read()
        except urllib.error.HTTPError as err:
            with err:
                raise OSError(f"{method} {path}: {err.code} {err.read(200).decode(errors='replace')}") from err
        except (http.client.HTTPException, ValueError) as err:
            raise OSError(f"{method} {path}: {err}") from err
        try:
            return json.loads(text) if text else None
        except ValueError as err:
            raise OSError(f"{method} {path}: {err}") from err


def await_up(amqp_port: int, management: Management, alive: Callable[[], bool], timeout_seconds: float) -> str:
    """Waits for a node on this machine and returns its version. Raises NoBroker when it died or took too long."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if not alive():
            raise NoBroker("RabbitMQ ended while it was starting")
        if _speaks_amqp(amqp_port):
            try:
                return management.version()
            except OSError:
                pass  # it starts after the AMQP listener or before, depending on the version
        time.sleep(_POLL_SECONDS)
    raise NoBroker(f"RabbitMQ was not up after {timeout_seconds:.0f} s")


def _speaks_amqp(port: int) -> bool:
    """A port that accepts is not enough: a container's is open before anyone listens inside."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(_PROTOCOL_HEADER)
            return connection.recv(1) == _METHOD_FRAME
    except OSError:
        return False
