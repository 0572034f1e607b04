"""What the demo page may see and do of this run: how full users' queues are, and killing a service to watch it return.

Nobody else may. It listens on loopback only, and answers requests that carry this run's secret, come from a page of
this run's gateway (Origin) and name this machine (Host: a foreign name that was made to point here is refused).
"""

import hmac
import json
import threading
from collections.abc import Callable, Collection, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_MOST_USERS = 10
_REQUEST_SECONDS = 5.0

State = Callable[[list[str]], Mapping[str, Any]]


class Controls:
    """Listens from now on, serves after `start`. `state` and `kill` are called in threads of their own."""

    def __init__(
        self, port: int, secret: str, origins: Collection[str], state: State, kill: Callable[[str], bool]
    ) -> None:
        """`kill` says whether there is such a service. Raises OSError when the port is taken."""
        self._server = _Server(port, secret, origins, state, kill)
        self._thread = threading.Thread(target=self._server.serve_forever, name="controls", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Idempotent."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a page that reads slowly must not hold up Ctrl-C

    def __init__(
        self, port: int, secret: str, origins: Collection[str], state: State, kill: Callable[[str], bool]
    ) -> None:
        super().__init__(("127.0.0.1", port), _Request)
        self.secret, self.origins, self.state, self.kill = secret, origins, state, kill
        self.host = f"127.0.0.1:{self.server_address[1]}"


class _Request(BaseHTTPRequestHandler):
    server: _Server
    timeout = _REQUEST_SECONDS

    def do_OPTIONS(self) -> None:
        """A browser asks before it sends our header from another port."""
        if self._is_ours():
            self._answer(204)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if not self._is_ours() or not self._has_secret():
            return
        if parts.path == "/state":
            self._answer(200, self.server.state(parse_qs(parts.query).get("user", [])[:_MOST_USERS]))
        else:
            self._answer(404)

    def do_POST(self) -> None:
        if not self._is_ours() or not self._has_secret():
            return
        name = self.path.removeprefix("/kill/")
        if name != self.path and self.server.kill(name):
            self._answer(202, {"killed": name})
        else:
            self._answer(404)

    def _is_ours(self) -> bool:
        """Whether it comes from our page and was meant for us; else it is answered."""
        ours = self.headers["Host"] == self.server.host and self.headers["Origin"] in self.server.origins
        if not ours:
            self._answer(403)
        return ours

    def _has_secret(self) -> bool:
        said = (self.headers["Authorization"] or "").encode("latin-1", "replace")
        has = hmac.compare_digest(said, f"Bearer {self.server.secret}".encode())
        if not has:
            self._answer(401)
        return has

    def _answer(self, status: int, said: Mapping[str, Any] | None = None) -> None:
        body = b"" if said is None else json.dumps(said).encode()
        self.send_response_only(status)
        if self.headers["Origin"] in self.server.origins:
            self.send_header("Access-Control-Allow-Origin", self.headers["Origin"])
            self.send_header("Access-Control-Allow-Headers", "authorization")
            self.send_header("Vary", "Origin")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: the terminal is for what its reader can act on."""
