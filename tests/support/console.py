"""Console blocks of a Markdown page: commands behind `$ `, and what they print below them."""

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANYTHING = re.compile(r"\.\.\.|…")
KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Command:
    """What a reader types, and the lines that should appear; `...` in a line stands for anything."""

    text: str
    output: tuple[str, ...] = ()

    def missing(self, printed: str) -> str | None:
        """The first line of `output` that does not come, in its order, in what was printed."""
        printed, at = " ".join(printed.split()), 0
        for line in self.output:
            for piece in ANYTHING.split(" ".join(line.split())):
                found = printed.find(piece.strip(), at)
                if found < 0:
                    return line
                at = found + len(piece.strip())
        return None


def commands(page: str) -> list[Command]:
    """In the order of the page. A command goes on in lines that begin with `> `."""
    found: list[Command] = []
    for block in BLOCK.findall(page):
        text = ""
        output: list[str] = []
        for line in [*block.splitlines(), "$ "]:
            if line.startswith("$ "):
                if text:
                    found.append(Command(text, tuple(output)))
                text, output = line[2:].strip(), []
            elif line.startswith("> "):
                text = f"{text.removesuffix(chr(92)).strip()} {line[2:].strip()}"
            elif line.strip():
                output.append(line.strip())
    return found


class Terminal:
    """One command in a terminal of its own: a process group that Ctrl-C reaches as a whole."""

    def __init__(self, command: Command, folder: Path, log: Path, environment: dict[str, str]) -> None:
        self.command, self._log = command, log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["/bin/bash", "-c", command.text],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def printed(self) -> str:
        return self._log.read_text(errors="replace")

    def missing(self) -> str | None:
        return self.command.missing(self.printed())

    def ctrl_c(self) -> None:
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self.process.wait(KILL_SECONDS)

    def left_behind(self) -> list[str]:
        """Processes of this terminal that still live."""
        lines: list[str] = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, rest = stat.read_text().rpartition(")")
            except OSError:
                continue  # it ended while we looked
            state, _, _, session = rest.split()[:4]
            if int(session) == self.process.pid and state != "Z":
                lines.append(name)
        return lines

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
