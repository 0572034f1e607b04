"""Processes of the launcher's own: they end with it, or with the next one, and nobody else's ever do."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local import broker, run, signals
from deploy.local.child import Child, end_leftovers
from tests.support.until import until

SLEEPER = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True); signal.pause()",
]
PARENT = [
    sys.executable,
    "-c",
    f"import subprocess; c = subprocess.Popen({SLEEPER!r}); print(c.pid, flush=True); c.wait()",
]


@pytest.fixture
def children() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()


async def up(children: list[Child], command: list[str], folder: Path) -> Child:
    child = Child("alice", command, os.environ, folder=folder, log=folder / "log/alice.log")
    children.append(child)
    await until(child.last_lines, "the first line of its log")
    return child


def lives(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


async def test_a_process_that_a_killed_run_left_is_ended_by_the_next(children: list[Child], tmp_path: Path) -> None:
    left = await up(children, SLEEPER, tmp_path)

    assert end_leftovers(tmp_path) == ["alice"]

    await until(lambda: not left.running(), "its end")
    assert not list(tmp_path.glob("*.process"))


async def test_another_process_that_has_the_noted_pid_is_left_alone(children: list[Child], tmp_path: Path) -> None:
    other = await up(children, SLEEPER, tmp_path)
    (tmp_path / "alice.process").write_text(f"{other.pid} born-another-day\n")

    assert end_leftovers(tmp_path) == []

    assert other.running()
    (tmp_path / "alice.process").touch()  # so that the fixture may end it


@pytest.mark.parametrize("note", ["", "\n", "garbage", "12", "-1 x", "99999999999 x"])
def test_a_note_that_says_nothing_ends_nothing(note: str, tmp_path: Path) -> None:
    (tmp_path / "alice.process").write_text(note)

    assert end_leftovers(tmp_path) == []


async def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(children: list[Child], tmp_path: Path) -> None:
    child = await up(children, STUBBORN, tmp_path)

    child.end(grace_seconds=0.05)

    assert child.exit_code() == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_what_a_process_started_ends_with_it(children: list[Child], tmp_path: Path) -> None:
    parent = await up(children, PARENT, tmp_path)
    grandchild = int(parent.last_lines().split()[0])
    assert lives(grandchild)

    parent.kill()

    await until(lambda: not lives(grandchild), "the end of the grandchild")


def test_a_folder_has_one_holder_at_a_time(tmp_path: Path) -> None:
    with broker.held(tmp_path) as first, broker.held(tmp_path) as second:
        assert (first, second) == (True, False)

    with broker.held(tmp_path) as third:
        assert third


def test_a_folder_that_somebody_holds_is_not_deleted(tmp_path: Path) -> None:
    with broker.held(tmp_path):
        assert not broker.forget(tmp_path)

    assert tmp_path.exists()


def test_who_wants_to_delete_what_runs_is_told_and_the_next_step_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["deploy.local", "--forget"])  # as `make clean` says before it deletes the rest

    with broker.held(tmp_path / ".run"):
        assert run.main() == 1

    assert "is running here already" in capsys.readouterr().out


def test_a_process_whose_start_was_interrupted_ends_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: Any, **options: Any) -> subprocess.Popen[bytes]:
        monkeypatch.setattr(subprocess, "Popen", popen)
        started.append(popen(*command, **options))
        signal.raise_signal(signal.SIGINT)
        return started[0]

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", start)

    with pytest.raises(KeyboardInterrupt), broker.held(tmp_path):
        Child("alice", SLEEPER, os.environ, folder=tmp_path, log=tmp_path / "log/alice.log")

    assert started[0].wait(0.1) < 0


def test_a_signal_that_comes_while_a_pid_is_noted_is_delivered_afterwards() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), signals.deferred():
        signal.raise_signal(signal.SIGINT)
        reached.append("the note")

    assert reached == ["the note"]


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL])
def test_a_terminal_that_closes_ends_a_run_unless_nohup_started_it(before: signal.Handlers) -> None:
    known = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, before)
    try:
        signals.raise_when_stopped()
        assert (signal.getsignal(signal.SIGHUP) is signal.SIG_IGN) == (before is signal.SIG_IGN)
        with pytest.raises(signals.Stopped):
            signal.raise_signal(signal.SIGTERM)
    finally:
        for number, action in known.items():
            signal.signal(number, action)


@pytest.mark.parametrize("options", [["--no-skips"], []])
def test_a_skip_is_a_failure_where_nothing_may_be_skipped(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import pytest\ndef test_it(): pytest.skip('no chromium')\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.skips", "--rootdir", str(tmp_path), str(tmp_path)]
    env = {**os.environ, "CI": "", "PYTHONPATH": str(Path.cwd())}

    ran = subprocess.run([*command, *options], capture_output=True, text=True, env=env, cwd=tmp_path, check=False)

    assert ran.returncode == (1 if options else 0), ran.stdout + ran.stderr
    assert "no chromium" in ran.stdout
