"""Which loopback ports nobody uses."""

import socket


def free(count: int) -> list[int]:
    """So many different free ports. Nobody reserves them: use them soon."""
    listeners = [socket.socket() for _ in range(count)]
    try:
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def preferred(port: int) -> int:
    """`port` if it is free, else another."""
    with socket.socket() as listener:
        # Else the port of a run that has just ended would count as taken for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return free(1)[0]
    return port
