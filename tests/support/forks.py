"""Services without the second of CPU that each start costs: while pytest runs, tests fork them from a nursery."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
STEP_SECONDS = 0.005


class Nursery:
    """Of one service. It ends with whoever made it; its forks do not."""

    def __init__(self, service: str) -> None:
        command = [sys.executable, "-m", "tests.support.nursery", service]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._questions = count()

    def fork(self, environment: dict[str, str], log: Path) -> "Fork":
        log.touch()  # who reads it need not wait for the fork to have come so far
        return Fork(self, self.ask({"environment": environment, "log": str(log)}))

    def ask(self, asked: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = next(self._questions)
        self._process.stdin.write(json.dumps([question, asked]).encode() + b"\n")
        self._process.stdin.flush()
        while True:
            answered, answer = json.loads(self._process.stdout.readline())
            if answered == question:  # and not an earlier one that a test's timeout broke off
                return answer

    def end(self) -> None:
        self._process.communicate()


class Fork:
    """What tests use of a `subprocess.Popen`, for a process that is the nursery's child."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:  # until the nursery has said so here, the pid is nobody else's
            self.returncode = self._nursery.ask(self.pid)
        return self.returncode

    def wait(self, timeout: float = 30.0) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(STEP_SECONDS)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


_nurseries: dict[str, Nursery] = {}
_open = False


def nursery(service: str) -> Nursery | None:
    """None outside of pytest, where the whole process is what is measured."""
    if _open and service not in _nurseries:
        _nurseries[service] = Nursery(service)
    return _nurseries.get(service)


@pytest.fixture(scope="session", autouse=True)
def nurseries() -> Iterator[None]:
    global _open  # noqa: PLW0603 -- as long as the run
    _open = True
    yield
    _open = False
    while _nurseries:
        _nurseries.popitem()[1].end()
