"""Both services as processes: started, watched, frozen, killed and ended by pid, their logs kept."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from tests.support.forks import Fork, nursery
from tests.support.until import until

ROOT = Path(__file__).parent.parent.parent
SECRET = "for-tests-only-" + "x" * 32
LOG_TAIL_CHARACTERS = 4000
STOP_SECONDS = 30.0
KILL_SECONDS = 10.0

# Short enough for a test, long enough for a loaded machine.
SETTINGS = {
    "GATEWAY_JWT_SECRET": SECRET,
    "GATEWAY_PING_INTERVAL_SECONDS": "5",
    "GATEWAY_PING_TIMEOUT_SECONDS": "5",
    "GATEWAY_CONFIRM_TIMEOUT_SECONDS": "30",
    "GATEWAY_DRAIN_SECONDS": "5",
    "DISPATCHER_DRAIN_SECONDS": "5",
    "DISPATCHER_LINGER_SECONDS": "0.5",
    "LOG_LEVEL": "info",
}


class Edition(Protocol):
    """Something else than the code as it is: another release, or one with a deliberate fault."""

    def command(self, service: str) -> list[str]:
        """What Python is to run, as `-m` takes it."""


class Kind(StrEnum):
    GATEWAY = "gateway"
    DISPATCHER = "dispatcher"


def free_port() -> int:
    """Below those that the system hands out to clients, who could take it before the service does."""
    while True:
        port = random.randrange(15_000, 32_000)  # noqa: S311 -- nobody need be surprised
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(slots=True)
class Service:
    """One process. `port` is the public one of a gateway, the only one of a dispatcher."""

    kind: Kind
    name: str
    port: int
    health_port: int
    log: Path
    process: "subprocess.Popen[bytes] | Fork"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    async def get(self, path: str) -> tuple[int, str]:
        """The admin server's answer; status 0 while nobody listens."""
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{self.health_port}{path}")

    async def page(self, path: str) -> tuple[int, str]:
        """The same of the public server."""
        return await asyncio.to_thread(_get, f"{self.url}{path}")

    async def ready(self, *, seconds: float = 30.0) -> None:
        """Wait until it can serve."""
        await self._answers(200, seconds)

    async def not_ready(self, *, seconds: float = 30.0) -> None:
        """Wait until it says that it cannot serve, while it lives."""
        await self._answers(503, seconds)

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        _, text = await self.get("/metrics")
        lines = (line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def kill(self) -> None:
        """What a power cut does."""
        self.process.kill()
        self.process.wait(KILL_SECONDS)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self, *, seconds: float = STOP_SECONDS) -> int:
        """Wait for its end; the exit code."""
        await until(lambda: not self.alive, f"end of {self.name}", seconds)
        return self.process.wait()

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]

    async def _answers(self, wanted: int, seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        status, text = 0, ""
        while status != wanted:
            assert self.alive, f"{self.name} ended with code {self.process.returncode}:\n{self.tail()}"
            assert asyncio.get_running_loop().time() < deadline, f"{self.name}: {status} {text!r}, not {wanted}"
            status, text = await self.get("/readyz")
            await asyncio.sleep(0.03)


@dataclass(slots=True)
class Services:
    """Starts services for one test and ends them all."""

    broker_url: str
    folder: Path
    running: list[Service] = field(default_factory=list)
    by_command: bool = False
    """Each is started as in life, by `python -m`, and not forked."""

    def gateway(self, edition: Edition | None = None, /, **settings: str) -> Service:
        """Of the code as it is, unless an edition says otherwise."""
        port, admin = free_port(), free_port()
        listens = {"GATEWAY_LISTEN": f"127.0.0.1:{port}", "GATEWAY_ADMIN_LISTEN": f"127.0.0.1:{admin}"}
        return self._start(Kind.GATEWAY, port, admin, {**listens, **settings}, edition)

    def dispatcher(self, edition: Edition | None = None, /, **settings: str) -> Service:
        port = free_port()
        listen = {"DISPATCHER_LISTEN": f"127.0.0.1:{port}"}
        return self._start(Kind.DISPATCHER, port, port, {**listen, **settings}, edition)

    async def pair(self, **settings: str) -> tuple[Service, Service]:
        """A gateway and a dispatcher, ready."""
        gateway, dispatcher = self.gateway(**settings), self.dispatcher(**settings)
        await gateway.ready()
        await dispatcher.ready()
        return gateway, dispatcher

    async def end(self) -> None:
        """SIGTERM for all at once, then SIGKILL for whoever stays. Only processes that this object started."""
        for service in self.running:
            if service.alive:
                service.resume()
                service.terminate()
        try:
            for service in self.running:
                await service.ended()
        finally:
            for service in self.running:
                if service.alive:
                    service.kill()

    def _start(
        self, kind: Kind, port: int, health_port: int, settings: dict[str, str], edition: Edition | None
    ) -> Service:
        name = f"{kind}-{len(self.running)}"
        log = self.folder / f"{name}.log"
        kept = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "RESTANTE_LANES")
        inherited = {key: os.environ[key] for key in kept if key in os.environ}
        environment = {**inherited, "BROKER_URL": self.broker_url, **SETTINGS, **settings}
        forked = None if edition or self.by_command else nursery(kind.value)
        command = edition.command(kind.value) if edition else [kind.value]
        process = forked.fork(environment, log) if forked else _started(command, environment, log)
        service = Service(kind, name, port, health_port, log, process)
        self.running.append(service)
        return service


def _started(command: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 -- our own address
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, err.read().decode()
    except OSError:
        return 0, ""
