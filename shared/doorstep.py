"""Who has come to a listener and has not been accepted yet: the kernel holds them, up to the backlog, and forgets the
rest, who try again after 1, 3, 7 and 15 seconds.
"""

import socket
import sys
from struct import Struct

CROWD = 16
"""More than come in one turn of a busy event loop, which accepts one in a turn."""

_unacked = Struct("=24xI")  # of Linux's `struct tcp_info`: for a listener, the length of its queue


class Doorstep:
    """Of one listener, once it has been given it. Where the kernel does not tell, nobody stands there."""

    def __init__(self) -> None:
        self.listener: socket.socket | None = None

    def __len__(self) -> int:
        if self.listener is None or sys.platform != "linux":
            return 0
        try:
            told = self.listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _unacked.size)
        except OSError:  # it is closed, or no TCP
            return 0
        return int(_unacked.unpack(told)[0])

    def crowded(self) -> bool:
        return len(self) > CROWD
