"""The parts of one run: each brings up what it measures, measures it, and takes it down again."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.local.broker import Broker
from tests.bench.cpu import until_rested
from tests.bench.load.crowd import crowd
from tests.bench.load.post import Post, post
from tests.bench.phases import bare
from tests.bench.phases.contact import contact
from tests.bench.phases.drain import drain, visit
from tests.bench.phases.idle import idle, memory
from tests.bench.phases.result import Result
from tests.bench.phases.steady import steady
from tests.bench.phases.storm import storm
from tests.bench.systems.broker import pid, virtual_host, web_mqtt_address
from tests.bench.systems.nats import nats as nats_server
from tests.bench.systems.node import Style, node
from tests.bench.systems.restante import restante
from tests.bench.systems.system import WINDOW, System
from tests.bench.systems.web_mqtt import web_mqtt
from tests.bench.without import PARTS, Without
from tests.support.services import Edition

SINGLE = {"x-single-active-consumer": True}
"""What the dispatcher declares users' queues with."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    users: int = 200
    messages: int = 30_000
    rates: tuple[float, ...] = (100.0, 500.0, 2000.0)
    others_rate: float = 500.0
    steady_seconds: float = 5.0
    sessions: int = 2_000
    rest_seconds: float = 10.0
    rest_within_seconds: float = 60.0
    newcomers: int = 1_000
    scale: tuple[int, ...] = (1, 2, 4)
    absent: tuple[int, ...] = (0, 10_000)
    costs: tuple[str, ...] = ("everything", *PARTS)


FULL = Size()
QUICK = Size(
    users=10,
    messages=500,
    rates=(50.0,),
    others_rate=50.0,
    steady_seconds=1.0,
    sessions=30,
    rest_seconds=0.5,
    rest_within_seconds=2.0,
    newcomers=20,
    scale=(2,),
    absent=(0, 50),
    costs=("deduplication",),
)

Note = Callable[[Result], None]


@dataclass(slots=True)
class Place:
    """Where a run happens."""

    broker: Broker
    web_mqtt_port: int
    folder: Path
    note: Note
    size: Size

    def users(self, count: int, name: str = "bench") -> list[str]:
        return [f"{name}-{n}" for n in range(count)]

    @asynccontextmanager
    async def restante(self, *, each: int = 1, edition: Edition | None = None) -> AsyncIterator[tuple[System, Post]]:
        url = virtual_host(self.broker)
        started = restante(url, pid(self.broker), self.folder, each=each, edition=edition)
        async with started as system, post(system) as poster:
            yield system, poster

    @asynccontextmanager
    async def node(self, style: Style) -> AsyncIterator[tuple[System, Post]]:
        url = virtual_host(self.broker)
        async with node(url, pid(self.broker), self.folder, style=style) as system, post(system) as poster:
            yield system, poster

    @asynccontextmanager
    async def nobody(self) -> AsyncIterator[tuple[System, Post]]:
        """Names of queues and keys, and no server."""
        system = System(
            name="bare aiormq",
            protocol="socket.io",
            ports=[],
            broker_url=virtual_host(self.broker),
            exchange="amq.direct",
            key=str,
            queue=lambda user: f"user.{user}",
            login=str,
            pids={"broker": pid(self.broker)},
        )
        async with post(system) as poster:
            yield system, poster

    @asynccontextmanager
    async def web_mqtt(self) -> AsyncIterator[tuple[System, Post]]:
        host, port = web_mqtt_address(self.broker, self.web_mqtt_port)
        system = web_mqtt(virtual_host(self.broker), pid(self.broker), host, port)
        async with post(system) as poster:
            yield system, poster


async def one_restante(place: Place) -> None:
    """A backlog and steady rates."""
    async with place.restante() as (system, poster):
        await _visit_and_drain(place, system, poster)
        for rate in place.size.rates:
            users = place.users(place.size.users)
            place.note(await steady(system, poster, users, rate, place.size.steady_seconds))


async def node_promise(place: Place) -> None:
    async with place.node(Style.PROMISE) as (system, poster):
        await _visit_and_drain(place, system, poster)
        await _one_rate(place, system, poster)


async def node_callback(place: Place) -> None:
    async with place.node(Style.CALLBACK) as (system, poster):
        await _visit_and_drain(place, system, poster)


async def mqtt(place: Place) -> None:
    async with place.web_mqtt() as (system, poster):
        await _visit_and_drain(place, system, poster)
        await _one_rate(place, system, poster)


async def nats(place: Place) -> None:
    """A stream for each user."""
    await _nats(place, shared=False)


async def nats_shared(place: Place) -> None:
    """One stream for all, which each consumer must search for its own: interleaved as they are, that is dear."""
    await _nats(place, shared=True)


async def bare_aiormq(place: Place) -> None:
    async with place.nobody() as (system, poster):
        place.note(await bare.consume(system, poster, place.users(place.size.users), place.size.messages))


async def bare_socketio(place: Place) -> None:
    users = place.users(place.size.users)
    place.note(await bare.emit("bare python-socketio", place.folder, users, place.size.messages))


async def sessions(place: Place) -> None:
    """Idle sessions, and the same after a storm."""
    size, users = place.size, place.users(place.size.sessions)
    async with place.restante() as (system, poster):
        before = memory(system)
        async with crowd(system, users) as clients:
            place.note(await idle(system, clients, before, size.rest_seconds))
            place.note(await storm(system, poster, clients, users, before, size.rest_seconds))


async def newcomers(place: Place) -> None:
    async with place.restante() as (system, poster):
        place.note(await contact(system, poster, place.users(place.size.newcomers, "new")))


async def scale(place: Place) -> None:
    """What more of both add. Two cores cannot show it all, so it is also reckoned from what the busiest one does."""
    for each in place.size.scale:
        async with place.restante(each=each) as (system, poster):
            await visit(system, poster, place.users(place.size.users))
            result = await drain(system, poster, place.users(place.size.users), place.size.messages)
            busiest = max(result.numbers["busiest_gateway_us"], result.numbers["busiest_dispatcher_us"])
            numbers = dict(result.numbers)
            if busiest:  # the system counts in hundredths of a second, and a short run is over before the first
                numbers["with_a_core_each_per_second"] = 1e6 / busiest
            place.note(replace(result, phase="scale out", system=f"{each} + {each}", numbers=numbers))


async def absent(place: Place) -> None:
    """Durable queues of users who are not there and whose messages nobody reads."""
    users, there = place.users(place.size.users), 0
    async with place.restante() as (system, poster):
        await visit(system, poster, users)
        for count in place.size.absent:
            await poster.declare(place.users(count, "absent")[there:], SINGLE)
            there = max(there, count)
            await until_rested(
                system.pids["broker"], place.size.rest_within_seconds
            )  # making them is not what is measured
            result = await drain(system, poster, users, place.size.messages)
            place.note(replace(result, phase="absent users", system=f"{count}"))


async def costs(place: Place) -> None:
    """The backlog with everything on, and with one part of it taken out at a time."""
    for part in place.size.costs:
        edition = Without(part) if part in PARTS else None
        async with place.restante(edition=edition) as (system, poster):
            await visit(system, poster, place.users(place.size.users))
            result = await drain(system, poster, place.users(place.size.users), place.size.messages)
            name = part if edition is None else f"without {part.replace('_', ' ')}"
            place.note(replace(result, phase="costs", system=name))


Part = Callable[[Place], Awaitable[None]]

COMPARED: dict[str, Part] = {
    "restante": one_restante,
    "node": node_promise,
    "node-callback": node_callback,
    "mqtt": mqtt,
    "nats": nats,
    "nats-shared": nats_shared,
    "aiormq": bare_aiormq,
    "socketio": bare_socketio,
}
"""What is compared runs in a different order each time."""

ALONE: dict[str, Part] = {
    "sessions": sessions,
    "contact": newcomers,
    "scale": scale,
    "absent": absent,
    "costs": costs,
}


async def _visit_and_drain(place: Place, system: System, poster: Post) -> None:
    users = place.users(place.size.users)
    await visit(system, poster, users)
    place.note(await drain(system, poster, users, place.size.messages))


async def _one_rate(place: Place, system: System, poster: Post) -> None:
    users = place.users(place.size.users)
    place.note(await steady(system, poster, users, place.size.others_rate, place.size.steady_seconds))


async def _nats(place: Place, *, shared: bool) -> None:
    async with nats_server(place.folder, shared=shared) as system, post(system) as poster:
        await poster.declare(place.users(place.size.users), {"max_ack_pending": WINDOW})
        await _visit_and_drain(place, system, poster)
        await _one_rate(place, system, poster)
