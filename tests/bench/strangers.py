"""`python -m tests.bench.strangers`: thousands of sockets that never log in, from processes of their own.

Tells the gateway's memory before, during and after, how many it took a second, and what somebody else saw of it.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from deploy.local.broker import Kind, find
from tests.support.lasting import Lasting, lasting
from tests.support.services import Services
from tests.support.streams import UPGRADE
from tests.support.until import until

SOCKETS_PER_PROCESS = 5_000
AT_ONCE = 100
LIMIT_SECONDS = 300.0
SETTLE_SECONDS = 5.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.strangers", description=__doc__)
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--broker", choices=[kind.value for kind in Kind], default=Kind.PRIVATE.value)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


async def strangers(port: int, sockets: int) -> None:
    """Half of them upgrade, half say nothing at all; each stays until it is closed. Prints what happened."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    gate, refused, closed, began = asyncio.Semaphore(AT_ONCE), 0, 0, time.monotonic()
    opened: list[float] = []

    async def one(number: int) -> None:
        nonlocal refused, closed
        writer = None
        try:
            async with gate, asyncio.timeout(LIMIT_SECONDS):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                if number % 2:
                    writer.write(UPGRADE)
                    await reader.readuntil(b"}")
                opened.append(time.monotonic() - began)
            async with asyncio.timeout(LIMIT_SECONDS):
                while await reader.read(65_536):
                    pass
            closed += 1
        except ConnectionError:
            closed += writer is not None
            refused += writer is None
        except (OSError, asyncio.IncompleteReadError):
            refused += 1
        finally:
            if writer is not None:
                writer.transport.abort()

    async with asyncio.TaskGroup() as tasks:
        for number in range(sockets):
            tasks.create_task(one(number))
    print(json.dumps({"opened": len(opened), "seconds": max(opened, default=0), "refused": refused, "closed": closed}))


async def measure(sockets: int, post: Lasting) -> dict[str, object]:
    before, most, slowest, stop = post.megabytes()[0], 0, 0.0, asyncio.Event()
    there = 0

    async def watch() -> None:
        nonlocal most, slowest, there
        while not stop.is_set():
            began = time.monotonic()
            status, metrics = await post.gateway.get("/metrics")
            assert status == 200, metrics
            slowest = max(slowest, time.monotonic() - began)
            there = max(there, _value(metrics, "restante_connections"))
            most = max(most, post.megabytes()[0])
            await asyncio.sleep(0.1)

    crowds = []
    async with post.undisturbed():
        watching = asyncio.create_task(watch())
        for first in range(0, sockets, SOCKETS_PER_PROCESS):
            count = str(min(SOCKETS_PER_PROCESS, sockets - first))
            command = (sys.executable, "-m", "tests.bench.strangers", "--port", str(post.gateway.port))
            crowds.append(
                await asyncio.create_subprocess_exec(*command, "--sockets", count, stdout=asyncio.subprocess.PIPE)
            )
        said = [json.loads((await crowd.communicate())[0]) for crowd in crowds]
        stop.set()
        await watching
    await asyncio.sleep(SETTLE_SECONDS)
    opened = sum(each["opened"] for each in said)
    return {
        "sockets": sockets,
        "opened": opened,
        "a second": round(opened / max(each["seconds"] for each in said)),
        "refused": sum(each["refused"] for each in said),
        "closed by the gateway": sum(each["closed"] for each in said),
        "WebSockets at once": there,
        "MB before": before,
        "MB at most": most,
        "MB after": post.megabytes()[0],
        "slowest answer to /metrics, s": round(slowest, 2),
        "witness": "one session, all messages, in order",
    }


def _value(metrics: str, name: str) -> int:
    return next(int(float(line.split()[1])) for line in metrics.splitlines() if line.startswith(f"{name} "))


async def run(sockets: int, broker_url: str, folder: Path) -> None:
    async with lasting(Services(broker_url, folder)) as post:
        for name, value in (await measure(sockets, post)).items():
            print(f"{name:32} {value}")
        await until(lambda: "Traceback" not in post.log(), "a log without stack traces", 0)


def main() -> None:
    asked = arguments()
    if asked.port:
        asyncio.run(strangers(asked.port, asked.sockets))
        return
    with tempfile.TemporaryDirectory(prefix="restante-strangers-") as folder:
        broker = find(Path(folder), Kind(asked.broker), lambda line: print(line, file=sys.stderr))
        try:
            asyncio.run(run(asked.sockets, broker.url, Path(folder)))
        finally:
            broker.close()


if __name__ == "__main__":
    main()
