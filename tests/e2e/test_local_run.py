"""`make run` as a user lives with it: a first message, Ctrl-C, a crash in between, a service that dies."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.broker import forget, held
from tests.support.launcher import END_SECONDS, Launcher
from tests.support.until import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


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
