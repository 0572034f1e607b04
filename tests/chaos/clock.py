"""A wall clock that jumps: `python -m tests.chaos.clock FILE MODULE ...` runs a module whose clock FILE sets wrong.

As when somebody sets a machine's clock: what counts from some moment on (`time.monotonic`, the event loop's time) is
not touched by it. FILE holds by how many seconds it is wrong now; whoever started the process may change it any time.
"""

import datetime as dt
import mmap
import runpy
import sys
import time
from dataclasses import dataclass
from datetime import datetime as Right  # noqa: N812 -- beside it there is a wrong one
from pathlib import Path
from struct import Struct
from typing import Any

from tests.support.services import Edition

_seconds = Struct("<d")


@dataclass(slots=True)
class Clock:
    """That of one process; an `Edition` of what it runs. It begins right."""

    file: Path
    runs: Edition | None = None

    def __post_init__(self) -> None:
        self.file.write_bytes(_seconds.pack(0.0))

    def be_wrong_by(self, seconds: float) -> None:
        with self.file.open("r+b") as opened:  # in place: it is mapped
            opened.write(_seconds.pack(seconds))

    def command(self, service: str) -> list[str]:
        return ["tests.chaos.clock", str(self.file), *(self.runs.command(service) if self.runs else [service])]


def main() -> None:
    file, *command = sys.argv[1:]
    with Path(file).open("rb") as opened:
        wrong_by = mmap.mmap(opened.fileno(), _seconds.size, access=mmap.ACCESS_READ)
    right = time.time

    class Watched(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, Right)

    class Wrong(Right, metaclass=Watched):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            return Right.fromtimestamp(time.time(), tz)

    time.time = lambda: right() + _seconds.unpack(wrong_by[:])[0]
    dt.datetime = Wrong  # type: ignore[misc]  # before anybody else has imported it by name
    sys.argv = command
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
