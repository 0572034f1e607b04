"""A process of ours: it ends when we say so, and a later run can end it if we were killed before.

Each runs in a session of its own, so that Ctrl-C reaches only the launcher, which ends the others in order.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from deploy.local import signals

_POLL_SECONDS = 0.05


class Child:
    """Starts at once. `folder` gets the note `<name>.process`, `log` all that the process prints."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], *, folder: Path, log: Path) -> None:
        self.name = name
        self.log = log
        self._note = folder / f"{name}.process"
        log.parent.mkdir(parents=True, exist_ok=True)
        with signals.deferred(), log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._note.write_text(f"{self.pid} {_birth(self.pid)}\n", encoding="utf-8")

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def exit_code(self) -> int | None:
        return self._process.poll()

    def end(self, grace_seconds: float) -> None:
        """SIGTERM, then SIGKILL for whatever of it is left after the grace. Idempotent."""
        if self.running():
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_seconds)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, for it and what it started. Idempotent."""
        if not self._note.exists():
            return  # ended before: the pid may be somebody else's by now
        with suppress(ProcessLookupError, PermissionError):  # macOS: a group of only a zombie is not permitted
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._note.unlink(missing_ok=True)

    def last_lines(self, count: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])


def end_leftovers(folder: Path, grace_seconds: float = 10.0) -> list[str]:
    """Ends what a killed run noted in `folder` and left behind; returns the names.

    A pid alone proves nothing, another process may have it by now: only one that was born when the note says is ours.
    """
    ended = []
    for note in sorted(folder.glob("*.process")):
        pid_text, _, birth = note.read_text(encoding="utf-8").strip().partition(" ")
        if pid_text.isdigit() and birth and _birth(int(pid_text)) == birth:
            _end(int(pid_text), birth, grace_seconds)
            ended.append(note.stem)
        note.unlink(missing_ok=True)
    return ended


def _end(pid: int, birth: str, grace_seconds: float) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while _birth(pid) == birth and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _birth(pid: int) -> str:
    """When a process was started, in a form that no other process with its pid can have. Empty: there is none."""
    return _birth_in_proc(pid) if sys.platform == "linux" else _birth_by_ps(pid)


def _birth_in_proc(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return "" if fields[0] == "Z" else f"{fields[19]} {boot}"


def _birth_by_ps(pid: int) -> str:
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, start = shown.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else start.strip()
