"""Debian's rabbitmq-server, and what to type where we cannot get it ourselves."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.local.rabbitmq import NoBroker

# Where the plain scripts are. Debian's wrappers in /usr/sbin insist on the user rabbitmq.
_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin")
# RUNLEVEL=1: where no systemd runs, the package then does not start a node of its own.
_INSTALL = ("env", "RUNLEVEL=1", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq")
_PACKAGES = ("--no-install-recommends", "-o", "Dpkg::Use-Pty=0", "rabbitmq-server")


def server() -> Path | None:
    """The installed `rabbitmq-server` that any user may run."""
    for folder in _FOLDERS:
        script = Path(folder) / "rabbitmq-server"
        if os.access(script, os.X_OK):
            return script
    return None


def install_server(say: Callable[[str], None]) -> Path:
    """Installs Debian's package, saying so first. Raises NoBroker with what to type where that cannot be done."""
    if shutil.which("apt-get") is None:
        how = "brew install rabbitmq" if sys.platform == "darwin" else "see https://www.rabbitmq.com/docs/download"
        raise NoBroker(f"no rabbitmq-server is installed. Get it ({how}), start a Docker engine, or set BROKER_URL")
    as_root = _as_root()
    if as_root is None:
        raise NoBroker(
            "no rabbitmq-server is installed, and installing it needs root. "
            "Type `sudo apt-get install rabbitmq-server`, start a Docker engine, or set BROKER_URL"
        )
    say("No RabbitMQ here: installing Debian's package rabbitmq-server with apt-get (about 100 MB) ...")
    if Path("/run/systemd/system").is_dir():
        say("Debian also starts a system-wide RabbitMQ, which restante leaves alone; systemctl can disable it.")
    for command in (("apt-get", "update", "-qq"), (*_INSTALL, *_PACKAGES)):
        if subprocess.run([*as_root, *command], stdout=subprocess.DEVNULL, check=False).returncode:
            raise NoBroker(f"`{' '.join(command)}` failed; its message is above")
    script = server()
    if script is None:
        raise NoBroker("the package rabbitmq-server is installed, but its script is not where Debian puts it")
    return script


def _as_root() -> list[str] | None:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    if sys.stdin.isatty():
        return ["sudo"]
    allowed = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    return ["sudo", "-n"] if allowed else None
