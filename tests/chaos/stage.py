"""What a chaos run plays on: a RabbitMQ, two gateways, two dispatchers, a network that can be broken, clients, load."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from tests.chaos.clock import Clock
from tests.chaos.device import Device
from tests.chaos.disk import SmallDisk
from tests.chaos.proxy import Proxy, Weather
from tests.chaos.timeline import Mishap, Timeline
from tests.support.balancer import Balancer
from tests.support.bound import bound_by
from tests.support.publisher import Publisher
from tests.support.services import Edition, Kind, Service, Services
from tests.support.tokens import token

VHOST = "chaos"
USERS = 12
FORGETFUL = 4
"""So many of them hand over no `seen`."""

PAUSE_SECONDS = 0.15
TOKEN_SECONDS = 30 * 86_400.0
"""Longer than any clock is wrong by."""

QUICK = {
    "GATEWAY_PING_INTERVAL_SECONDS": "3",
    "GATEWAY_PING_TIMEOUT_SECONDS": "3",
    "GATEWAY_CONFIRM_TIMEOUT_SECONDS": "12",
    "DISPATCHER_LINGER_SECONDS": "1",
}


@dataclass(slots=True)
class Post:
    """Where one service stands: its clock, its way to the broker, and for a gateway the way of its clients."""

    kind: Kind
    clock: Clock
    to_broker: Proxy
    to_clients: Proxy | None
    service: Service

    @property
    def proxies(self) -> list[Proxy]:
        return [self.to_broker] if self.to_clients is None else [self.to_broker, self.to_clients]


@dataclass(slots=True)
class Stage:
    """`removed` bounds what an operator took away; `mishaps` is what went wrong so far."""

    broker: Broker
    url: str
    services: Services
    timeline: Timeline
    balancer: Balancer
    posts: list[Post] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    mishaps: list[Mishap] = field(default_factory=list)
    publishing: bool = True
    pause_seconds: float = PAUSE_SECONDS
    """Between two messages to one user."""
    disk: SmallDisk | None = None
    """The broker's own, if it has one that can be filled."""
    remarks: list[str] = field(default_factory=list)
    """What was seen on the way, for whoever reads the report."""
    broker_busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def gateways(self) -> list[Post]:
        return [post for post in self.posts if post.to_clients is not None]

    @property
    def dispatchers(self) -> list[Post]:
        return [post for post in self.posts if post.to_clients is None]

    def begin(self, post: Post) -> None:
        """Start a service where one stood."""
        through = _by_way_of(self.url, post.to_broker.port)
        start = self.services.gateway if post.to_clients is not None else self.services.dispatcher
        post.service = start(post.clock, BROKER_URL=through, **QUICK)
        if post.to_clients is not None:
            post.to_clients.target = post.service.port

    async def come(self, device: Device) -> None:
        await device.come(self.balancer.url, token(device.user, lives_seconds=TOKEN_SECONDS))

    async def manage(self, method: str, path: str, body: object = None) -> object:
        """A request to the management API."""
        return await asyncio.to_thread(Management(self.broker.management_url).request, method, path, body)

    async def heal(self) -> None:
        """Everything is well from now on: all run, nothing is cut, everybody is there and answers."""
        for post in self.posts:
            post.clock.be_wrong_by(0.0)
            post.service.resume()
            if not post.service.alive:
                self.begin(post)
            for proxy in post.proxies:
                proxy.delay_seconds, proxy.tearing = 0.0, False
                proxy.become(Weather.FAIR)
        for device in self.devices:
            device.answer_after(0.0)
            device.keeps_callbacks = True

    async def publish(self, user: str) -> None:
        """Message after message, each until the broker has confirmed it."""
        async with Publisher(self.url, self.timeline) as publisher:
            number = 0
            while self.publishing:
                await publisher.publish_surely(user, number, id=f"m{number}")
                number += 1
                await asyncio.sleep(self.pause_seconds)


@asynccontextmanager
async def staged(
    broker: Broker, url: str, folder: Path, edition: Edition | None = None, disk: SmallDisk | None = None
) -> AsyncIterator[Stage]:
    """All are up, ready and connected; at the end all are gone. `edition`: which code runs, if not this."""
    async with AsyncExitStack() as stack:
        services = Services(url, folder)
        stack.push_async_callback(services.end)
        port = urlsplit(url).port or 5672
        balancer = await stack.enter_async_context(Balancer([], by_turns=True))
        stage = Stage(broker, url, services, Timeline(), balancer, disk=disk)
        for number, kind in enumerate((Kind.GATEWAY, Kind.GATEWAY, Kind.DISPATCHER, Kind.DISPATCHER), 1):
            clock = Clock(folder / f"clock-{number}", edition)
            to_broker = await stack.enter_async_context(Proxy(port))
            to_clients = await stack.enter_async_context(Proxy(0)) if kind is Kind.GATEWAY else None
            first = services.gateway if kind is Kind.GATEWAY else services.dispatcher
            service = first(clock, BROKER_URL=_by_way_of(url, to_broker.port), **QUICK)
            if to_clients is not None:
                to_clients.target = service.port
                balancer.ports.append(to_clients.port)
            stage.posts.append(Post(kind, clock, to_broker, to_clients, service))
        for post in stage.posts:
            await post.service.ready(seconds=90)
        for number in range(USERS):
            user = f"user-{number}"
            device = Device(f"phone of {user}", user, stage.timeline, remembers=number >= FORGETFUL)
            stack.push_async_callback(device.end)
            stage.devices.append(device)
        await asyncio.gather(*(stage.come(device) for device in stage.devices))
        # The order of the first messages of a user without a queue is not promised.
        bound = bound_by(Management(broker.management_url), url)
        await asyncio.gather(*(bound(device.user) for device in stage.devices))
        yield stage


def _by_way_of(url: str, port: int) -> str:
    parts = urlsplit(url)
    login, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}"))
