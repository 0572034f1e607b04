"""The tests in containers take minutes and an engine of their own, so they run only when they are asked for."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "containers"
_left_out = pytest.StashKey[bool]()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Not asked about what the command line names."""
    if collection_path != FOLDER:
        return None
    config.stash[_left_out] = True
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash.get(_left_out, default=False):
        terminalreporter.write_line("tests/containers: left out here; `make test-containers` runs it")
