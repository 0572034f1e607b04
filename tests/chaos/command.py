"""What the commands that break a running system share: a broker of their own in a folder of their own."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from deploy.local import broker as local
from deploy.local.broker import Broker, Kind
from deploy.local.rabbitmq import Management
from tests.chaos.device import Unanswered
from tests.chaos.disk import SmallDisk
from tests.chaos.stage import VHOST

KINDS = (Kind.PRIVATE, Kind.DOCKER)
"""A node that can be stopped, killed and told what to do."""


def playing(
    console: Console,
    folder: Path,
    kind: Kind,
    play: Callable[[Broker, str], Coroutine[Any, Any, int]],
    disk: SmallDisk | None = None,
) -> int:
    """Runs `play` with a broker and the address of an empty virtual host; its exit code, or 2 if `folder` is taken.

    The broker's data are on `disk`, and gone with it, where there is one.
    """
    quiet()
    with local.held(folder) as ours:
        if not ours:
            console.print(f"another run uses {folder}")
            return 2
        with disk.mounted() if disk is not None else nullcontext():
            broker = local.find(folder, kind, console.print)
            try:
                Management(broker.management_url).create_vhost(VHOST)
                return asyncio.run(play(broker, f"{broker.url.partition(',')[0].rpartition('/')[0]}/{VHOST}"))
            finally:
                broker.start()
                Management(broker.management_url).delete_vhost(VHOST)
                broker.close()


def quiet() -> None:
    """That connections break is what this is about."""
    for library in ("aiormq", "aio_pika", "socketio", "engineio"):
        logging.getLogger(library).setLevel(logging.CRITICAL)


def complain(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """The client library leaves tasks of connections that broke; only what a client meant to say is no fault."""
    if not isinstance(context.get("exception"), Unanswered | ConnectionError | OSError):
        loop.default_exception_handler(context)
