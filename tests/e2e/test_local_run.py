"""`make run` as a user lives with it: a first message, Ctrl-C, a crash in between, a service that dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.broker import forget, held
from tests.support.until import until

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-c", "from shared.cli import main; main()"]
UP_SECONDS = 90.0
END_SECONDS = 60.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


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


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--broker"))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    with held(tmp_path / ".run"):
        pass  # ends what a test that failed left there
    forget(tmp_path / ".run")


def living(pids: list[int]) -> list[int]:
    stats = {pid: Path(f"/proc/{pid}/stat") for pid in pids}
    return [
        pid for pid, stat in stats.items() if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
    ]


async def test_the_first_message_is_delivered_and_ctrl_c_leaves_nothing(folder: Path, kind: str) -> None:
    launcher = Launcher(folder, kind)
    await launcher.up()
    pids = launcher.pids()

    launcher.restante("publish", "alice", '{"hello": "world"}')
    heard = launcher.restante("listen", "alice", "--count", "1")

    assert '{"hello": "world"}' in heard or '{"hello":"world"}' in heard
    assert await launcher.end(signal.SIGINT) == 0, launcher.printed()
    assert len(pids) >= 2
    assert living(pids) == []
    assert not (launcher.run / "env").exists()


async def test_a_message_outlives_a_killed_run_and_nothing_else_does(folder: Path, kind: str) -> None:
    killed = Launcher(folder, kind)
    await killed.up()
    killed.restante("publish", "alice", '"still here"')
    left = killed.pids()
    await killed.end(signal.SIGKILL)

    launcher = Launcher(folder, kind)
    await launcher.up()

    assert living(left) == []
    assert "still here" in launcher.restante("listen", "alice", "--count", "1")
    assert await launcher.end(signal.SIGTERM) == 0, launcher.printed()


async def test_a_service_that_dies_is_named_and_ends_the_rest(folder: Path, kind: str) -> None:
    launcher = Launcher(folder, kind)
    await launcher.up()
    pids = launcher.pids()

    os.kill(int((launcher.run / "gateway.process").read_text().split()[0]), signal.SIGKILL)

    await until(launcher.ended, launcher.printed, END_SECONDS)
    assert launcher.process.returncode == 1
    assert "The gateway ended by itself with code -9" in launcher.printed()
    assert living(pids) == []
