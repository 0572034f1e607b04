"""One address in front of several: each connection goes to the first target that accepts it, and can be cut."""

import asyncio
import contextlib
import ssl

from tests.support.pipes import Pipes, Stream


class Balancer(Pipes):
    """`by_turns`: the first target is another one each time."""

    def __init__(
        self, ports: list[int], port: int = 0, *, by_turns: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(port, tls)
        self.ports = ports
        self._by_turns = by_turns

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def far(self, _: asyncio.StreamReader) -> Stream:
        if self._by_turns:
            self.ports = [*self.ports[1:], *self.ports[:1]]
        for port in self.ports:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError
