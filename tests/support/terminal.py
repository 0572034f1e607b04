"""The command `restante` in a terminal of its own, so that it draws as it does for a person."""

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from types import TracebackType
from typing import Self

from tests.support.services import ROOT
from tests.support.until import until

LINES, COLUMNS = 40, 100


class Terminal:
    """Ends with the `with` block, whatever the command does."""

    def __init__(self, *words: str, **environment: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        os.set_blocking(self._master, False)
        self._written = b""
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from shared.cli import main; main()", *words],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **environment},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def written(self) -> str:
        """All that it has drawn so far, with the terminal's own codes."""
        with contextlib.suppress(BlockingIOError, OSError):  # OSError: nobody has the other end open any more
            while part := os.read(self._master, 65536):
                self._written += part
        return self._written.decode(errors="replace")

    async def shows(self, text: str) -> None:
        await until(lambda: text in self.written, lambda: f"{text!r} in {self.written}", 60, step_seconds=0.05)

    async def ctrl_c(self) -> int:
        """The exit code."""
        self._process.send_signal(signal.SIGINT)
        return await self.ended()

    async def ended(self) -> int:
        # Read all the while: who does not read stops the one who draws.
        await until(
            lambda: (self.written, self._process.poll() is not None)[1], lambda: self.written, 60, step_seconds=0.05
        )
        return self._process.wait()
