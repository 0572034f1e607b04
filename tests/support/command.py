"""The command `restante` as somebody types it: within the test's process, or as one of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from typer.testing import CliRunner

from shared.cli.app import app
from tests.support.services import ROOT, SECRET
from tests.support.until import until

COLUMNS = "100"


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What `--json` printed."""
        return [orjson.loads(line) for line in self.out.splitlines()]


def typed(*words: str, answer: str = "", **environment: str) -> Said:
    """Within this process, in the current directory, with nothing in the environment but what is given."""
    with _only(environment):
        result = CliRunner().invoke(app, words, input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


@contextmanager
def _only(environment: dict[str, str]) -> Iterator[None]:
    """The command adopts `.run/env` into its environment, so all of it is put back."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update({"PATH": before["PATH"], "COLUMNS": COLUMNS, "TERM": "dumb", **environment})
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Listener:
    """`restante listen`, as a process of its own. What it wrote is in files, so that it never waits for a reader."""

    def __init__(self, gateway_url: str, folder: Path, user: str, *words: str) -> None:
        self._out = folder / f"listen-{user}.out"
        self._err = folder / f"listen-{user}.err"
        environment = {"PATH": os.environ["PATH"], "GATEWAY_URL": gateway_url, "GATEWAY_JWT_SECRET": SECRET}
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from shared.cli import main; main()", "listen", user, "--json", *words],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def ids(self) -> list[str]:
        """Of the messages shown so far."""
        whole_lines = self._out.read_text().rpartition("\n")[0].splitlines()
        return [orjson.loads(line)["id"] for line in whole_lines]

    @property
    def notes(self) -> str:
        return self._err.read_text()

    async def shown(self, *ids: str) -> None:
        """Wait until exactly these messages have been shown, in this order."""
        await until(lambda: self.ids == list(ids), lambda: f"{ids} shown, not {self.ids}; {self.notes}", 30)

    async def noted(self, text: str, times: int = 1) -> None:
        await until(lambda: self.notes.count(text) >= times, lambda: f"{text!r} in {self.notes}", 30)

    async def ended(self) -> int:
        await until(lambda: self._process.poll() is not None, "end of listen", 30)
        return self._process.wait()

    async def ctrl_c(self) -> int:
        """The exit code."""
        self._process.send_signal(signal.SIGINT)
        return await self.ended()

    def kill(self) -> None:
        """Whatever it is doing; nothing if it has ended."""
        self._process.kill()
        self._process.wait()
