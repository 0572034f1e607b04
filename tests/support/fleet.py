"""Several gateways behind a balancer that asks each whether it is ready, and several dispatchers."""

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.support.balancer import Balancer
from tests.support.release import Release
from tests.support.services import Service, Services
from tests.support.until import until

LOOK_SECONDS = 0.1


@dataclass(slots=True)
class Fleet:
    """`async with` starts so many of each and waits until they are ready."""

    services: Services
    size: int = 2
    release: Release | None = None
    settings: dict[str, str] = field(default_factory=dict)
    gateways: list[Service] = field(default_factory=list)
    dispatchers: list[Service] = field(default_factory=list)
    balancer: Balancer = field(default_factory=lambda: Balancer([], by_turns=True))
    _looking: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> Self:
        self.gateways = [self.services.gateway(self.release, **self.settings) for _ in range(self.size)]
        self.dispatchers = [self.services.dispatcher(self.release, **self.settings) for _ in range(self.size)]
        for service in (*self.gateways, *self.dispatchers):
            await service.ready(seconds=60.0)
        await self.balancer.__aenter__()
        self._looking = asyncio.create_task(self._look(), name="balancer's probes")
        await until(lambda: len(self.balancer.ports) == self.size, "the balancer knows all gateways")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self.balancer.__aexit__(kind, error, trace)

    async def join(self, release: Release | None = None) -> Service:
        """One more dispatcher."""
        fresh = self.services.dispatcher(release, **self.settings)
        self.dispatchers.append(fresh)
        await fresh.ready(seconds=60.0)
        return fresh

    async def leave(self, service: Service) -> None:
        """One of either kind fewer: it drains, and must end well."""
        service.terminate()
        assert await service.ended(seconds=90.0) == 0, service.tail()
        assert "Traceback" not in service.tail(), service.tail()
        (self.gateways if service in self.gateways else self.dispatchers).remove(service)

    async def replace_all(self, release: Release | None = None) -> None:
        """All gateways, then all dispatchers, one by one: the fresh one is ready before the old one drains."""
        for old in list(self.gateways):
            fresh = self.services.gateway(release, **self.settings)
            await fresh.ready(seconds=60.0)
            self.gateways.append(fresh)
            await self.leave(old)
        for old in list(self.dispatchers):
            await self.join(release)
            await self.leave(old)

    async def _look(self) -> None:
        while True:
            asked = list(self.gateways)
            answers = await asyncio.gather(*(gateway.get("/readyz") for gateway in asked))
            ready = [gateway.port for gateway, (status, _) in zip(asked, answers, strict=True) if status == 200]
            if set(ready) != set(self.balancer.ports):
                self.balancer.ports = ready
            await asyncio.sleep(LOOK_SECONDS)
