"""The browser's socket.io-client, from npm where there is npm: the version and the bytes that the lock names."""

import json
import shutil
import subprocess
from pathlib import Path

_WANTED = Path(__file__).parent.parent / "socket.io-client"
_PACKAGE = "node_modules/socket.io-client"
_SCRIPT = f"{_PACKAGE}/dist/socket.io.esm.min.js"
_TIMEOUT_SECONDS = 60.0
# Without a network npm would try again for minutes, and the demo page has another way.
_OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--fetch-retries=0", "--fetch-timeout=20000")


def client_file(folder: Path) -> Path | None:
    """`socket.io.esm.min.js`, installed below `folder` if it is not there yet. None where it cannot; never raises."""
    if _version(folder) == _wanted():
        return folder / _SCRIPT
    npm = shutil.which("npm")
    if npm is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(_WANTED / name, folder / name)
    try:
        subprocess.run([npm, "ci", *_OPTIONS], cwd=folder, check=True, capture_output=True, timeout=_TIMEOUT_SECONDS)
    except (subprocess.SubprocessError, OSError):
        return None
    return folder / _SCRIPT if _version(folder) == _wanted() else None


def _wanted() -> str:
    return str(json.loads((_WANTED / "package.json").read_text(encoding="utf-8"))["dependencies"]["socket.io-client"])


def _version(folder: Path) -> str | None:
    """Of what is installed there, whole."""
    package = folder / _PACKAGE / "package.json"
    if not package.is_file() or not (folder / _SCRIPT).is_file():
        return None
    return str(json.loads(package.read_text(encoding="utf-8"))["version"])
