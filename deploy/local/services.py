"""The two services as processes: started, watched, killed on request and started again, ended.

Their logs go to files, their warnings to the terminal.
"""

import queue
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
    """One dispatcher and one gateway. Nothing runs before `start`. Only `states` and `kill` are for other threads."""

    def __init__(self, folder: Path, surroundings: Surroundings, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._surroundings = surroundings
        self._say = say
        self._urls = {"dispatcher": surroundings.dispatcher_url, "gateway": surroundings.gateway_url}
        self._running: dict[str, Child] = {}
        self._tails: dict[str, _Tail] = {}
        self._kills = dict.fromkeys(self._urls, 0)
        self._to_kill: queue.SimpleQueue[str] = queue.SimpleQueue()

    def start(self) -> None:
        """Returns when both are ready. Raises ServiceEnded."""
        for name in self._urls:
            log = self._surroundings.logs / f"{name}.log"
            log.unlink(missing_ok=True)
            self._start(name)
            self._tails[name] = _Tail(log)
        deadline = time.monotonic() + _READY_SECONDS
        for child in list(self._running.values()):
            while not self._ready(child.name):
                self.look()
                if time.monotonic() > deadline:
                    raise ServiceEnded(_report(child, f"is not ready after {_READY_SECONDS:.0f} s"))
                time.sleep(_POLL_SECONDS)

    def look(self) -> None:
        """Says what is new in the logs and worth it; kills what it was asked to. Raises ServiceEnded."""
        for name, child in list(self._running.items()):
            for line in self._tails[name].new_lines():
                if _WORTH_SAYING.search(line):
                    self._say(f"{name}: {line}")
            if not child.running():
                raise ServiceEnded(_report(child, f"ended by itself with code {child.exit_code()}"))
        while not self._to_kill.empty():
            self._kill_and_start(self._to_kill.get())

    def kill(self, name: str) -> bool:
        """Whether there is such a service; it is killed and started again at the next look."""
        if name not in self._urls:
            return False
        self._to_kill.put(name)
        return True

    def states(self) -> list[dict[str, object]]:
        """For each, the gateway first: its name, pid, how often it was killed, and whether it serves."""
        # The last is asked for last: what serves then has been started after those kills.
        return [
            {"name": name, "kills": self._kills[name], "pid": self._running[name].pid, "serves": self._ready(name)}
            for name in reversed(self._urls)
        ]

    def end(self) -> None:
        """The gateway first: what its clients still confirm then reaches the dispatcher. Idempotent."""
        for child in reversed(list(self._running.values())):
            child.end(_END_SECONDS)

    def _start(self, name: str) -> None:
        command = [sys.executable, "-m", name]
        log = self._surroundings.logs / f"{name}.log"
        self._running[name] = Child(name, command, self._surroundings.environment, folder=self._folder, log=log)

    def _kill_and_start(self, name: str) -> None:
        self._say(f"Killing the {name} (kill -9), as the demo page asks, and starting it again.")
        self._running[name].kill()
        self._kills[name] += 1
        self._start(name)

    def _ready(self, name: str) -> bool:
        return _answers(f"{self._urls[name]}/readyz")


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
