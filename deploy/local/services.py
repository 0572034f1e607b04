"""The two services as processes: started, watched, ended. Their logs go to files, their warnings to the terminal."""

import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from deploy.local.child import Child
from deploy.local.surroundings import Surroundings

_READY_SECONDS = 60.0
_END_SECONDS = 15.0
_POLL_SECONDS = 0.1
_WORTH_SAYING = re.compile(r"\b(warning|error|critical)\b", re.IGNORECASE)


class ServiceEnded(Exception):
    """A service ended by itself or never got ready; says which, with the end of its log."""


class Services:
    """One dispatcher and one gateway. Nothing runs before `start`."""

    def __init__(self, folder: Path, surroundings: Surroundings, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._surroundings = surroundings
        self._say = say
        self._running: list[tuple[Child, _Tail]] = []

    def start(self) -> None:
        """Returns when both are ready. Raises ServiceEnded."""
        ready = {"dispatcher": self._surroundings.dispatcher_url, "gateway": self._surroundings.gateway_url}
        for name in ready:
            log = self._surroundings.logs / f"{name}.log"
            log.unlink(missing_ok=True)
            command = [sys.executable, "-m", name]
            child = Child(name, command, self._surroundings.environment, folder=self._folder, log=log)
            self._running.append((child, _Tail(log)))
        deadline = time.monotonic() + _READY_SECONDS
        for child, _ in self._running:
            while not _answers(f"{ready[child.name]}/readyz"):
                self.look()
                if time.monotonic() > deadline:
                    raise ServiceEnded(_report(child, f"is not ready after {_READY_SECONDS:.0f} s"))
                time.sleep(_POLL_SECONDS)

    def look(self) -> None:
        """Says what is new in the logs and worth it. Raises ServiceEnded."""
        for child, tail in self._running:
            for line in tail.new_lines():
                if _WORTH_SAYING.search(line):
                    self._say(f"{child.name}: {line}")
            if not child.running():
                raise ServiceEnded(_report(child, f"ended by itself with code {child.exit_code()}"))

    def end(self) -> None:
        """The gateway first: what its clients still confirm then reaches the dispatcher. Idempotent."""
        for child, _ in reversed(self._running):
            child.end(_END_SECONDS)


class _Tail:
    """Reads whole lines as they are written."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = 0

    def new_lines(self) -> list[str]:
        with self._file.open("rb") as log:
            log.seek(self._at)
            whole, _, _ = log.read().rpartition(b"\n")
        if not whole:
            return []
        self._at += len(whole) + 1
        return whole.decode(errors="replace").splitlines()


def _report(child: Child, what: str) -> str:
    return f"The {child.name} {what}. The end of {child.log}:\n{child.last_lines()}"


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as err:
        err.close()
        return False
    except OSError:
        return False
