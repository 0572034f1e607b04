"""What the gateway serves over HTTP: Socket.IO, the client for it, health, and the demo page with its tokens."""

import time
from pathlib import Path
from urllib.parse import parse_qs

import jwt
import orjson

from gateway.settings import Demo, GatewaySettings
from shared.http import App, HealthApp, Receive, Scope, Send, refuse, respond
from shared.names import is_user_id

PAGE = Path(__file__).parent / "demo" / "index.html"
CLIENT = Path(__file__).parent / "client" / "restante.js"
CDN = "https://cdn.jsdelivr.net/npm/socket.io-client@4/dist/socket.io.min.js"
DEMO_TOKEN_SECONDS = 3600


class PublicApp:
    """Routes by path; everything else is 404."""

    def __init__(self, settings: GatewaySettings, socket_io: App, health: HealthApp) -> None:
        self._settings = settings
        self._socket_io = socket_io
        self._health = health
        self._demo = settings.gateway_demo is not Demo.OFF

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if f"{path.rstrip('/')}/" == self._settings.gateway_path:
            await self._socket_io(scope, receive, send)
        elif scope["type"] != "http":
            await refuse(scope, send, 404, b"not found\n")
        elif path in ("/healthz", "/readyz"):
            await self._health(scope, receive, send)
        elif path == "/client.js":
            await self._client(send)
        elif self._demo and path == "/":
            await respond(
                send, 200, PAGE.read_bytes().replace(b"{{settings}}", self._page_settings()), "text/html; charset=utf-8"
            )
        elif self._demo and path == "/demo/token":
            await self._token(scope, send)
        elif self._demo and path == "/demo/socket.io.js":
            await self._library(send)
        else:
            await respond(send, 404, b"not found\n")

    def _page_settings(self) -> bytes:
        settings = self._settings
        return orjson.dumps(
            {
                "path": settings.gateway_path,
                "namespace": settings.gateway_namespace,
                "transports": settings.gateway_transports,
            }
        ).replace(b"<", b"\\u003c")

    async def _token(self, scope: Scope, send: Send) -> None:
        user = parse_qs(scope["query_string"].decode("latin-1")).get("user", [""])[0]
        secret = self._settings.gateway_jwt_secret
        if not is_user_id(user) or secret is None:
            await respond(send, 400, b"user must be 1 to 128 of A-Z a-z 0-9 . _ : @ + | = ~ -\n")
            return
        claims: dict[str, object] = {
            self._settings.gateway_jwt_user_claim: user,
            "exp": int(time.time()) + DEMO_TOKEN_SECONDS,
            "send": "*",
        }
        if self._settings.gateway_jwt_audience:
            claims["aud"] = self._settings.gateway_jwt_audience
        if self._settings.gateway_jwt_issuer:
            claims["iss"] = self._settings.gateway_jwt_issuer
        token = jwt.encode(claims, secret.get_secret_value(), algorithm="HS256")
        await respond(send, 200, orjson.dumps({"token": token, "user": user}), "application/json")

    async def _client(self, send: Send) -> None:
        """For pages of any origin: whose socket may come here is another question."""
        body = CLIENT.read_bytes()
        headers = {
            b"content-type": b"text/javascript; charset=utf-8",
            b"content-length": str(len(body)).encode(),
            b"access-control-allow-origin": b"*",
            b"cache-control": b"max-age=300",
        }
        await send({"type": "http.response.start", "status": 200, "headers": list(headers.items())})
        await send({"type": "http.response.body", "body": body})

    async def _library(self, send: Send) -> None:
        path = self._settings.gateway_demo_client_file
        if path is not None and path.is_file():
            await respond(send, 200, path.read_bytes(), "text/javascript; charset=utf-8")
        else:
            await send({"type": "http.response.start", "status": 302, "headers": [(b"location", CDN.encode())]})
            await send({"type": "http.response.body", "body": b""})
