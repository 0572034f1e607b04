"""The body of every message of the benchmark: 200 bytes of JSON with its time and its number at fixed places.

Whoever receives it finds both without a parser, and sees by the rest whether it came whole.
"""

import time

BODY_BYTES = 200
KEY = b'"t":'
TIME = slice(4, 20)
NUMBER = slice(25, 35)
"""Places behind the start of `KEY`."""

TIME_BASE = 10**15
"""So that microseconds always have 16 digits, and a JavaScript number still holds them."""

NUMBER_BASE = 10**9

_HEAD = '{"t":%d,"n":%d'
FILL = (',"fill":"' + "x" * (BODY_BYTES - len(_HEAD % (TIME_BASE, NUMBER_BASE)) - 11) + '"}').encode()
WHOLE = slice(35, BODY_BYTES - 1)


def now() -> int:
    """Microseconds, the same clock in every process of this machine."""
    return time.monotonic_ns() // 1000 + TIME_BASE


def body(number: int, at: int) -> bytes:
    return (_HEAD % (at, NUMBER_BASE + number)).encode() + FILL
