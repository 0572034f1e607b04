"""Says at the end which tests did not run and why; where nothing may be left out (CI), a skip is a failure."""

import os
from collections import Counter
from collections.abc import Generator

import pytest

_skipped = pytest.StashKey[Counter[tuple[str, str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--no-skips",
        action="store_true",
        default=os.environ.get("CI", "").lower() in {"1", "true", "yes"},
        help="a test that lacks a tool fails instead of being skipped (default where CI=true)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_skipped] = Counter()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        why = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if item.config.getoption("--no-skips"):
            report.outcome = "failed"
            report.longrepr = f"would have been skipped, and nothing may be skipped here: {why}"
        else:
            item.config.stash[_skipped][(item.nodeid.partition("::")[0], why.removeprefix("Skipped: "))] += 1
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped = config.stash[_skipped]
    if not skipped:
        return
    terminalreporter.section("left out")
    for (group, why), count in sorted(skipped.items()):
        terminalreporter.write_line(f"{group}: {count} {'test' if count == 1 else 'tests'}: {why}")
