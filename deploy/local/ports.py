"""Which loopback ports nobody uses.

Chosen below those that systems hand out to clients (from 32768 on Linux, 49152 on macOS): while a broker is down,
a client that tries to reconnect could be given the broker's own port, and the broker would never get it back.
"""

import random
import socket

_LOW, _HIGH = 15_000, 32_000


def free(count: int) -> list[int]:
    """So many different free ports. Nobody reserves them: use them soon."""
    candidates = random.sample(range(_LOW, _HIGH), _HIGH - _LOW)
    found = [port for port, _ in zip(filter(_is_free, candidates), range(count), strict=False)]
    if len(found) < count:
        raise OSError(f"no {count} free ports between {_LOW} and {_HIGH}")
    return found


def preferred(port: int) -> int:
    """`port` if it is free, else another."""
    return port if _is_free(port) else free(1)[0]


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        # Else the port of a run that has just ended would count as taken for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
