"""The README's console blocks, typed one after the other, print what the README says they print."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.broker import forget, held
from tests.support.console import Command, Terminal, commands
from tests.support.until import until

ROOT = Path(__file__).parent.parent.parent
LASTING = ("make run", "restante listen", "python -m gateway", "python -m dispatcher")
"""These end with Ctrl-C, as the reader's do."""
ENDING = ("--help", "--count 1")
ELSEWHERE = ("make test", "make check", "make bench", "make simulate", "make lock", "make clean")
"""Too long for here, or this very test: .ci/run calls them. Here it counts that make knows them."""
NOT_OURS = ("git ", "cd ", "sudo ", "brew ", "docker ")
READY_SECONDS = 90.0
COMMAND_SECONDS = 60.0

Terminals = list[Terminal]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The project as on a fresh machine: nothing that an earlier `make run` keeps."""
    copy = tmp_path / "restante"
    copy.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in {".run", ".git"}:
            (copy / entry.name).symlink_to(entry)
    yield copy
    with held(copy / ".run"):
        pass  # ends what a test that failed left there
    forget(copy / ".run")


@pytest.fixture
def terminals(folder: Path) -> Iterator[Terminals]:
    """Closed before their folder is."""
    opened: Terminals = []
    yield opened
    for terminal in reversed(opened):
        terminal.kill()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_every_command_of_the_readme_does_what_it_says(
    folder: Path, terminals: Terminals, tmp_path: Path
) -> None:
    if not (ROOT / ".venv" / ".run").exists():
        pytest.skip("`make run` has not been set up here; `make test` does that")
    typed = commands((ROOT / "README.md").read_text())
    assert typed, "the README has no console block"

    for number, command in enumerate(typed):
        log = tmp_path / f"terminal-{number}.log"
        if command.text.startswith(ELSEWHERE):
            known = Command(f"make --dry-run {command.text.split()[1]}")
            await finished(Terminal(known, folder, log, environment()))
        elif not command.text.startswith(NOT_OURS) and command.text not in (t.command.text for t in terminals):
            terminals.append(Terminal(command, folder, log, environment()))
            await finished(terminals[-1])

    # All that was to be printed by what still runs, now that everything has been typed.
    for terminal in terminals:
        await printed_all(terminal)
    for terminal in reversed(terminals):
        await ended_well(terminal)


async def printed_all(terminal: Terminal) -> None:
    await until(lambda: terminal.missing() is None, lambda: complaint(terminal), READY_SECONDS)


async def ended_well(terminal: Terminal) -> None:
    """What lasts ends with Ctrl-C, and nothing of it stays."""
    if not terminal.ended:
        terminal.ctrl_c()
        await until(lambda: terminal.ended, lambda: f"no end after Ctrl-C: {complaint(terminal)}", COMMAND_SECONDS)
    assert terminal.left_behind() == []


async def finished(terminal: Terminal) -> None:
    """A short command has ended well; a lasting one has begun to print, and lives."""
    if is_lasting(terminal.command):
        first = Command(terminal.command.text, terminal.command.output[:1])
        await until(lambda: begun(terminal, first), lambda: complaint(terminal), READY_SECONDS)
        assert not terminal.ended, terminal.printed()
        return
    await until(lambda: terminal.ended, lambda: complaint(terminal), COMMAND_SECONDS)
    assert terminal.process.returncode == 0, complaint(terminal)


def begun(terminal: Terminal, first: Command) -> bool:
    printed = terminal.printed()
    return bool(printed) and first.missing(printed) is None


def is_lasting(command: Command) -> bool:
    return any(name in command.text for name in LASTING) and not command.text.endswith(ENDING)


def complaint(terminal: Terminal) -> str:
    return f"$ {terminal.command.text}\nprinted: {terminal.printed()}\nnot: {terminal.missing()}"


def environment() -> dict[str, str]:
    """A reader's shell: nothing of ours is set, and the commands that `make run` installed are found."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "USER", "DOCKER_HOST") if name in os.environ}
    return {**kept, "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}", "TERM": "dumb", "COLUMNS": "120"}
