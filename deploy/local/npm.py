"""The browser's socket.io-client, from npm where there is npm; the demo page falls back on a public CDN."""

import shutil
import subprocess
from pathlib import Path

_PACKAGE = "socket.io-client@4"
_TIMEOUT_SECONDS = 60.0
# Without a network npm would try again for minutes, and the page has another way.
_OPTIONS = ("--no-audit", "--no-fund", "--silent", "--fetch-retries=0", "--fetch-timeout=20000")


def client_file(folder: Path) -> Path | None:
    """`socket.io.min.js`, installed below `folder` if it is not there yet. None where it cannot; never raises."""
    script = folder / "node_modules/socket.io-client/dist/socket.io.min.js"
    if script.is_file():
        return script
    npm = shutil.which("npm")
    if npm is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(folder), *_OPTIONS, _PACKAGE]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_SECONDS)
    except (subprocess.SubprocessError, OSError):
        return None
    return script if script.is_file() else None
