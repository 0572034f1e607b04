"""What all tests share: the report on skipped tests, and a way out that always runs the fixtures' ends."""

import signal
from types import FrameType

import pytest

pytest_plugins = [
    "tests.support.forks",
    "tests.support.skips",
    "tests.support.left_out",
    "tests.support.broker",
    "tests.support.office",
]


def pytest_configure(config: pytest.Config) -> None:
    # A terminated run must end its brokers and services too, so it leaves by the same way as after Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)


def _interrupted(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
