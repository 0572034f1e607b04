"""Where everything is in one `make run`: addresses, ports, the secret; told to the services and to `.run/env`.

`restante` reads `.run/env` in the current directory for what its own environment does not say.
"""

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local import ports

_CONTROLS_PORT = 8003
_LISTEN = {"GATEWAY_LISTEN": 8000, "DISPATCHER_LISTEN": 8001, "GATEWAY_ADMIN_LISTEN": 8002}
# Whoever pressed Ctrl-C waits for these.
_SHORT_DRAIN = {"GATEWAY_DRAIN_SECONDS": "2", "DISPATCHER_DRAIN_SECONDS": "2"}


class Surroundings:
    """`moved` says which address differs from the usual one, because that one is taken."""

    def __init__(self, folder: Path, broker_url: str, management_url: str, client_file: Path | None) -> None:
        self.logs = folder / "log"
        self.moved: list[str] = []
        self._file = folder / "env"
        listen = {name: os.environ.get(name) or self._address(name, port) for name, port in _LISTEN.items()}
        self.gateway_url = f"http://{listen['GATEWAY_LISTEN']}"
        self.dispatcher_url = f"http://{listen['DISPATCHER_LISTEN']}"
        self.controls_port = ports.preferred(_CONTROLS_PORT)
        self.controls_secret = _secret(folder / "controls-secret")
        gateway_port = urlsplit(self.gateway_url).port
        self.origins = {self.gateway_url, *(f"http://{host}:{gateway_port}" for host in ("127.0.0.1", "localhost"))}
        # A fragment: a browser sends it to no server.
        self.demo_page = f"{self.gateway_url}/#controls={self.controls_port}.{self.controls_secret}"
        parts = urlsplit(management_url)
        self.management_page = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/" if management_url else ""
        self._shared = {
            "BROKER_URL": broker_url,
            "GATEWAY_JWT_SECRET": os.environ.get("GATEWAY_JWT_SECRET") or _secret(folder / "jwt-secret"),
            "GATEWAY_URL": self.gateway_url,
            "RABBITMQ_MANAGEMENT_URL": management_url,
            "METRICS_URLS": f"{self.dispatcher_url},http://{listen['GATEWAY_ADMIN_LISTEN']}",
        }
        client = {"GATEWAY_SOCKET_IO_CLIENT_FILE": str(client_file)} if client_file else {}
        ours = {"GATEWAY_DEMO": "true", "PYTHONUNBUFFERED": "1", **client, **_SHORT_DRAIN}
        self.environment = {**ours, **os.environ, **listen, **self._shared}

    def write(self) -> None:
        """The file is for its owner only: it holds the secret."""
        lines = [f"{name}={value}\n" for name, value in self._shared.items() if value]
        _write_private(self._file, "".join(lines))

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)

    def _address(self, name: str, port: int) -> str:
        chosen = ports.preferred(port)
        if chosen != port:
            self.moved.append(f"Port {port} is taken: {name} is 127.0.0.1:{chosen} this time.")
        return f"127.0.0.1:{chosen}"


def _secret(file: Path) -> str:
    """The same on every run, so that tokens handed out yesterday still work."""
    if not file.exists():
        _write_private(file, secrets.token_urlsafe(32))
    return file.read_text(encoding="utf-8").strip()


def _write_private(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
