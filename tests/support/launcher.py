"""`make run` in a folder of its own, as a process that a test starts and ends."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.until import until

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-c", "from shared.cli import main; main()"]
UP_SECONDS = 90.0
END_SECONDS = 60.0


class Launcher:
    """`python -m deploy.local` in an empty folder, where it makes its `.run`."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.run = folder / ".run"
        self._log = folder / "launcher.log"
        self._env = {**os.environ, "PYTHONPATH": str(ROOT)}
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local", "--broker", kind],
                cwd=folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def printed(self) -> str:
        return self._log.read_text()

    def demo_page(self) -> str:
        """Its address as printed, with what lets it kill."""
        found = re.search(r"demo page +(http\S+)", self.printed())
        assert found is not None, self.printed()
        return found[1]

    def told(self) -> dict[str, str]:
        """What it tells `restante` in the same folder."""
        lines = (self.run / "env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    async def up(self) -> None:
        await until(lambda: "listen alice" in self.printed() or self.ended(), self.printed, UP_SECONDS)
        assert not self.ended(), self.printed()

    def ended(self) -> bool:
        return self.process.poll() is not None

    async def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        await until(self.ended, self.printed, END_SECONDS)
        return self.process.returncode

    def pids(self) -> list[int]:
        """Of everything that it started, the launcher itself not included."""
        return [int(note.read_text().split()[0]) for note in self.run.rglob("*.process")]

    def restante(self, *words: str) -> str:
        """In the same folder, and nothing in its environment says where the broker is."""
        ran = subprocess.run(
            [*COMMAND, *words],
            cwd=self.run.parent,
            env={name: value for name, value in self._env.items() if name not in {"BROKER_URL", "GATEWAY_JWT_SECRET"}},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout
