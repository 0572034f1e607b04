"""Asks this container's service how it is: `healthcheck.py /healthz` or `/readyz`; code 0 for yes.

It runs every few seconds, so it imports next to nothing, and it asks whichever of the two services is here.
"""

import os
import socket
import sys

_SECONDS = 2.0
_LISTEN = {"GATEWAY_ADMIN_LISTEN": "127.0.0.1:8002", "DISPATCHER_LISTEN": "127.0.0.1:8001"}


def answers(address: str, path: str) -> bool:
    """Whether there is a 200 for `path`. An address that means every interface is asked on this machine."""
    host, _, port = address.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host.strip("[]"))  # noqa: S104 -- compared, not bound
    try:
        with socket.create_connection((host, int(port)), timeout=_SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else "/healthz"
    sys.exit(not any(answers(os.environ.get(name) or usual, asked) for name, usual in _LISTEN.items()))
