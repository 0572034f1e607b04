"""Ctrl-C and SIGTERM as one exception, which never comes between a process's start and the note of its pid."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """Somebody wants this program to end. Not an Exception: nothing but the program's edge may catch it."""


def raise_when_stopped() -> None:
    """From now on the main thread gets `Stopped` where it would be ended."""
    for number in _STOPS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # which is what `nohup` asks for
            signal.signal(number, _raise)


def ignore_from_now_on() -> None:
    """What is left is bounded in time, and a second Ctrl-C must not leave processes behind."""
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def deferred() -> Iterator[None]:
    """A signal that comes inside is delivered at the end. Does nothing off the main thread, where none come."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _STOPS}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)
        if came:
            signal.raise_signal(came[0])


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise Stopped
