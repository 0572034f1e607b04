"""`python -m tests.bench.load.bare_emitter EACH WINDOW`: python-socketio as it is under uvicorn, without a broker.

Every client that connects is sent so many messages, a window of them unconfirmed. Prints its port.
"""

import asyncio
import json
import socket
import sys
from collections.abc import Callable
from typing import Any

import socketio
import uvicorn
import uvloop

from tests.bench.load.bodies import body, now


async def main(each: int, window: int) -> None:
    server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], ping_interval=10, ping_timeout=8)
    sending: set[asyncio.Task[None]] = set()

    async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
        numbers = iter(range(each))

        async def one() -> None:
            number = next(numbers, None)
            if number is not None:
                event = {"id": f"{number}", "data": json.loads(body(number, now()))}
                await server.emit("message", event, to=sid, callback=_again(one))

        for _ in range(window):
            task = asyncio.create_task(one())
            sending.add(task)
            task.add_done_callback(sending.discard)

    server.on("connect", connect)
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listening:
        print(listening.getsockname()[1], flush=True)
        config = uvicorn.Config(
            socketio.ASGIApp(server), log_level="error", ws="websockets-sansio", ws_per_message_deflate=False,
            ws_ping_interval=None,
        )  # fmt: skip
        await uvicorn.Server(config).serve(sockets=[listening])


def _again(one: Callable[[], Any]) -> Callable[..., Any]:
    async def confirmed(*_: object) -> None:
        await one()

    return confirmed


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
