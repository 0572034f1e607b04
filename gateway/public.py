"""What the gateway serves over HTTP: Socket.IO, the clients for it, health, and the demo."""

from pathlib import Path

from gateway.pages import Pages
from gateway.settings import Demo, GatewaySettings
from shared.http import App, HealthApp, Receive, Scope, Send, refuse, respond

CLIENT = Path(__file__).parent / "client" / "restante.js"
NO_LIBRARY = (
    b"This gateway has no socket.io-client to give: set GATEWAY_SOCKET_IO_CLIENT_FILE to the file "
    b"dist/socket.io.esm.min.js of that package, or let your page bring its own.\n"
)


class PublicApp:
    """Routes by path; everything else is 404."""

    def __init__(self, settings: GatewaySettings, socket_io: App, health: HealthApp) -> None:
        self._settings = settings
        self._socket_io = socket_io
        self._health = health
        self._demo = None if settings.gateway_demo is Demo.OFF else Pages(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if f"{path.rstrip('/')}/" == self._settings.gateway_path:
            await self._socket_io(scope, receive, send)
        elif scope["type"] != "http":
            await refuse(scope, send, 404, b"not found\n")
        elif path in ("/healthz", "/readyz"):
            await self._health(scope, receive, send)
        elif path == "/client.js":
            await _script(send, CLIENT.read_bytes())
        elif path == "/socket.io-client.js":
            await self._library(send)
        elif self._demo is None or not await self._demo.serve(scope, send):
            await respond(send, 404, b"not found\n")

    async def _library(self, send: Send) -> None:
        file = self._settings.gateway_socket_io_client_file
        if file is not None and file.is_file():
            await _script(send, file.read_bytes())
        else:
            await respond(send, 404, NO_LIBRARY)


async def _script(send: Send, body: bytes) -> None:
    """For pages of any origin: whose socket may come here is another question."""
    headers = {
        b"content-type": b"text/javascript; charset=utf-8",
        b"content-length": str(len(body)).encode(),
        b"access-control-allow-origin": b"*",
        b"cache-control": b"max-age=300",
    }
    await send({"type": "http.response.start", "status": 200, "headers": list(headers.items())})
    await send({"type": "http.response.body", "body": body})
