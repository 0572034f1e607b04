"""The demo: its page, what the page is made of, and tokens for anybody. Only while GATEWAY_DEMO lets it."""

import time
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import orjson

from gateway.settings import GatewaySettings
from shared.http import Scope, Send, respond
from shared.names import is_user_id

FOLDER = Path(__file__).parent / "demo"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
CDN = "https://cdn.jsdelivr.net"
LIBRARY = f"{CDN}/npm/socket.io-client@4/dist/socket.io.esm.min.js"
TOKEN_SECONDS = 3600

# Nothing inline, nothing from elsewhere but the library where none is installed; and no page may frame this one and
# have its buttons pressed. The ports of this machine are for what `make run` serves beside the gateway.
POLICY = (
    "default-src 'none'; script-src 'self'{library}; style-src 'self'; img-src data:; "
    "connect-src 'self' http://127.0.0.1:*; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Pages:
    """`/` and what is below `/demo/`."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings

    async def serve(self, scope: Scope, send: Send) -> bool:
        """Whether there is such a page; if so it was sent."""
        path = str(scope["path"])
        if path == "/":
            await self._page(send)
        elif path == "/demo/token":
            await self._token(scope, send)
        elif path == "/demo/socket.io.js":
            await self._library(send)
        elif path.startswith("/demo/") and (file := _files().get(path.removeprefix("/demo/"))) is not None:
            await _send(send, file.read_bytes(), TYPES[file.suffix])
        else:
            return False
        return True

    @property
    def _has_library(self) -> bool:
        file = self._settings.gateway_socket_io_client_file
        return file is not None and file.is_file()

    async def _page(self, send: Send) -> None:
        settings = self._settings
        told = orjson.dumps(
            {
                "path": settings.gateway_path,
                "namespace": settings.gateway_namespace,
                "transports": settings.gateway_transports,
                "maxBytes": settings.max_message_bytes,
            }
        ).replace(b"<", b"\\u003c")
        policy = POLICY.format(library="" if self._has_library else f" {CDN}")
        body = (FOLDER / "index.html").read_bytes().replace(b"{{settings}}", told)
        await _send(send, body, "text/html; charset=utf-8", {b"content-security-policy": policy.encode()})

    async def _token(self, scope: Scope, send: Send) -> None:
        user = parse_qs(scope["query_string"].decode("latin-1")).get("user", [""])[0]
        secret = self._settings.gateway_jwt_secret
        if not is_user_id(user) or secret is None:
            await respond(send, 400, b"user must be 1 to 128 of A-Z a-z 0-9 . _ : @ + | = ~ -\n")
            return
        claims: dict[str, object] = {
            self._settings.gateway_jwt_user_claim: user,
            "exp": int(time.time()) + TOKEN_SECONDS,
            "send": "*",
        }
        if self._settings.gateway_jwt_audience:
            claims["aud"] = self._settings.gateway_jwt_audience
        if self._settings.gateway_jwt_issuer:
            claims["iss"] = self._settings.gateway_jwt_issuer
        token = jwt.encode(claims, secret.get_secret_value(), algorithm="HS256")
        await respond(send, 200, orjson.dumps({"token": token, "user": user}), "application/json")

    async def _library(self, send: Send) -> None:
        if self._has_library:
            file = self._settings.gateway_socket_io_client_file
            assert file is not None  # noqa: S101 -- seen a line above
            await _send(send, file.read_bytes(), TYPES[".js"])
        else:
            await send({"type": "http.response.start", "status": 302, "headers": [(b"location", LIBRARY.encode())]})
            await send({"type": "http.response.body", "body": b""})


def _files() -> dict[str, Path]:
    """What may be asked for by name: the names are ours, so that none of a request's reaches the file system."""
    return {file.name: file for file in FOLDER.iterdir() if file.suffix in TYPES}


async def _send(send: Send, body: bytes, content_type: str, more: dict[bytes, bytes] | None = None) -> None:
    headers = {
        b"content-type": content_type.encode(),
        b"content-length": str(len(body)).encode(),
        b"cache-control": b"no-cache",
        b"x-content-type-options": b"nosniff",
        **(more or {}),
    }
    await send({"type": "http.response.start", "status": 200, "headers": list(headers.items())})
    await send({"type": "http.response.body", "body": body})
