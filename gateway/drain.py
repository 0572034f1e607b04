"""How clients leave a gateway that drains: spread over time, each once it has answered what it was sent.

A client that is cut off in the middle gets on its next session again what it could not confirm, and only `seen`
saves it from handling that twice. So it is sent nothing more, and has a moment to answer.
"""

import asyncio
from collections.abc import Sequence
from math import ceil

from gateway.login import Connection
from gateway.sockets import Sockets

STEP_SECONDS = 0.1
AT_LEAST_PER_SECOND = 10
"""However long the drain may take: few clients need no spreading."""

ANSWER_SECONDS = 2.0
"""How long one client may take to answer before it is closed all the same."""


def due(there: int, elapsed_seconds: float, seconds: float) -> int:
    """How many of so many clients should be on their way by now; all when the time is up."""
    return min(there, max(ceil(there * elapsed_seconds / seconds), ceil(AT_LEAST_PER_SECOND * elapsed_seconds)))


async def send_away(sockets: Sockets, there: Sequence[Connection], seconds: float) -> None:
    """Returns when the last one's close has begun."""
    clock = asyncio.get_running_loop().time
    began = clock()
    leaving: dict[Connection, float] = {}
    asked = 0
    while asked < len(there) or leaving:
        now = clock()
        until = due(len(there), now - began + STEP_SECONDS, seconds)
        for connection in there[asked:until]:
            sockets.hold(connection)
            leaving[connection] = now + ANSWER_SECONDS
        asked = max(asked, until)
        for connection, deadline in list(leaving.items()):
            if now >= deadline or sockets.at_rest(connection):
                sockets.engine.close(connection, "draining")
                del leaving[connection]
        await asyncio.sleep(STEP_SECONDS)
