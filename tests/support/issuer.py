"""Whoever issues tokens: publishes its keys over HTTP, as well or as badly as a test wants."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

HOUR_SECONDS = 3600.0


class Manner(StrEnum):
    """How it answers."""

    WELL = "well"
    ERROR = "error"
    GARBAGE = "garbage"
    NO_HTTP = "no http"
    NO_END = "no end"
    HANG = "hang"
    DRIP = "drip"


@dataclass(slots=True)
class Issuer:
    """`reads` counts how often it was asked. `free` ends what hangs."""

    url: str = ""
    manner: Manner = Manner.WELL
    reads: int = 0
    free: threading.Event = field(default_factory=threading.Event)
    _keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)

    def new_key(self, name: str) -> None:
        """Publishes it from now on."""
        self._keys[name] = ec.generate_private_key(ec.SECP256R1())

    def withdraw(self, name: str) -> None:
        del self._keys[name]

    def token(self, user: str, key: str, **claims: object) -> str:
        content = {"sub": user, "exp": time.time() + HOUR_SECONDS, **claims}
        return jwt.encode(content, self._keys[key], algorithm="ES256", headers={"kid": key})

    def jwks(self) -> bytes:
        public = {name: json.loads(ECAlgorithm.to_jwk(key.public_key())) for name, key in self._keys.items()}
        return json.dumps({"keys": [{**key, "kid": name} for name, key in public.items()]}).encode()


@contextlib.contextmanager
def issuing() -> Iterator[Issuer]:
    issuer = Issuer()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.reads += 1
            with contextlib.suppress(OSError):
                _answer(issuer, self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield issuer
    finally:
        issuer.free.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(issuer: Issuer, request: BaseHTTPRequestHandler) -> None:
    write = request.wfile.write
    head = b"HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n"
    match issuer.manner:
        case Manner.WELL:
            write(head + issuer.jwks())
        case Manner.ERROR:
            write(b"HTTP/1.0 500 Oh\r\n\r\n")
        case Manner.GARBAGE:
            write(head + b"<html>Log in to the hotel's network</html>")
        case Manner.NO_HTTP:
            write(b"220 mail.example ESMTP\r\n")
        case Manner.NO_END:
            while not issuer.free.is_set():
                write(head + b" " * 65_536)
        case Manner.HANG:
            issuer.free.wait()
        case Manner.DRIP:
            write(head)
            while not issuer.free.wait(0.05):
                write(b" ")
