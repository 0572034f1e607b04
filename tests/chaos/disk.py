"""A small disk of its own under a broker's data, which can be filled to the last byte and emptied again."""

import errno
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import container
from deploy.local.broker import Kind

SIZE_MB = 256
"""What a broker itself writes when it starts is a small part of it."""

_CHUNK = bytes(1024 * 1024)
_FILLER = "filler"


class NoDisk(Exception):
    """A disk cannot be mounted here; says why."""


class SmallDisk:
    """In memory. `folder` is that of the broker which is to be found on it. Raises `NoDisk` where nobody can mount."""

    def __init__(self, folder: Path, kind: Kind) -> None:
        if os.geteuid() != 0:
            raise NoDisk("mounting one needs root")
        if shutil.which("mount") is None:
            raise NoDisk("there is no `mount` on this machine")
        with tempfile.TemporaryDirectory() as somewhere:  # root in a container may lack the right
            _mount(Path(somewhere))
            _call("umount", somewhere)
        self._folder = folder
        self._kind = kind
        self.path = folder / "disk" if kind is Kind.DOCKER else folder / "rabbitmq" / "data"

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """What was on it is gone afterwards. Raises `NoDisk`."""
        self._forget()  # what a killed run left
        self.path.mkdir(parents=True, exist_ok=True)
        _mount(self.path)
        try:
            if self._kind is Kind.DOCKER:
                self._give_to_container()
            yield
        finally:
            self._forget()

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def fill(self, leave_bytes: int = 0) -> None:
        """Until only so much is free. May be called again, as somebody else may have freed something."""
        with (self.path / _FILLER).open("ab", buffering=0) as filler:
            try:
                while (more := self.free_bytes - leave_bytes) > 0:
                    filler.write(_CHUNK[:more])
            except OSError as err:
                if err.errno != errno.ENOSPC:
                    raise

    def empty(self) -> None:
        """All that was filled in goes. Idempotent."""
        (self.path / _FILLER).unlink(missing_ok=True)

    def _forget(self) -> None:
        if self._kind is Kind.DOCKER:
            container.forget(self._folder)
        while self.path.is_mount():
            _call("umount", "--lazy", str(self.path))

    def _give_to_container(self) -> None:
        options = ("type=none", "o=bind", f"device={self.path.resolve()}")
        given = [part for option in options for part in ("--opt", option)]
        _call("docker", "volume", "create", "--driver", "local", *given, container._name(self._folder))


def _mount(path: Path) -> None:
    _call("mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=0777", "restante-chaos", str(path))


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoDisk(f"`{' '.join(command)}`: {done.stderr.strip()}")
