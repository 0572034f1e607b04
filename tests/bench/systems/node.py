"""Node's all-in-one (`tests/bench/node/all_in_one.mjs`), with `emitWithAck` or with a plain callback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path

from tests.bench.systems.child import child
from tests.bench.systems.system import WINDOW, System
from tests.support.node import install

HERE = Path(__file__).parent.parent / "node"


class Style(StrEnum):
    PROMISE = "promise"
    CALLBACK = "callback"


NAMES = {Style.PROMISE: "Node, emitWithAck", Style.CALLBACK: "Node, callback"}


@asynccontextmanager
async def node(broker_url: str, broker_pid: int, folder: Path, *, style: Style) -> AsyncIterator[System]:
    install(HERE)
    command = ("node", "all_in_one.mjs", style, broker_url, str(WINDOW))
    async with child(*command, log=folder / f"node-{style}.log", folder=HERE) as (pid, port):
        yield System(
            name=NAMES[style],
            protocol="socket.io",
            ports=[port],
            broker_url=broker_url,
            exchange="messages",
            key=lambda user: user,
            queue=lambda user: f"user.{user}",
            login=lambda user: f'{{"user":"{user}"}}',
            pids={"broker": broker_pid, "node": pid},
        )
