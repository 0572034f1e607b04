"""Several floods at once: each is ended or borne, and somebody else keeps the connection and gets all in time."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from deploy.local.broker import Broker
from tests.support.broker import virtual_host
from tests.support.lasting import Lasting, lasting
from tests.support.services import Services
from tests.support.streams import TEXT, UPGRADE, connected, masked, upgraded
from tests.support.tokens import token

pytestmark = pytest.mark.asyncio(loop_scope="module")

FLOOD_SECONDS = 4.0
GROWTH_MEGABYTES = 256
VISIT_MEGABYTES = 3
"""engine.io keeps what it knew of a connection until its next ping is due; floods that are cut come back at once, on a
fast machine so often that what each leaves in the meantime says more than all of it.
"""

VISITS = 120


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def post(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lasting]:
    asyncio.get_running_loop().set_debug(False)
    with virtual_host(broker) as url:
        async with lasting(Services(url, tmp_path_factory.mktemp("services"))) as started:
            yield started


def text(said: bytes) -> bytes:
    return masked(TEXT, said)


LOGIN = text(f'40{{"token":"{token("mallory", send="*")}"}}'.encode())
BINARY, PING, PART = 0x82, 0x89, 0x00

TINY = {
    "events": LOGIN + text(b'42["x"]') * 4_000,
    "events of a stranger": text(b'42["x"]') * 4_000,
    "answers to nothing": LOGIN + text(b"439999[]") * 4_000,
    "pongs": LOGIN + text(b"3") * 4_000,
    "logins over and over": LOGIN * 400,
    "sends": LOGIN + text(b'421["send",{"to":"#","data":1}]') * 2_000,
}
OTHERS = {
    "binary frames": LOGIN + masked(BINARY, b"x" * 500_000),
    "large events": LOGIN + text(b'42["message","' + b"x" * 500_000 + b'"]'),
    "empty parts": LOGIN + masked(0x01, b"42") + masked(PART) * 80_000,
    "pings without reading": LOGIN + masked(PING, b"x" * 125) * 4_000,
    "renewals": LOGIN + text(b'421["renew",{"token":"' + b"x" * 16_000 + b'"}]') * 100,
    "tokens": text(b'40{"token":"' + b"a." * 8_000 + b'"}') * 100,
}
REQUESTS = {
    "a head without end": b"GET / HTTP/1.1\r\n" + b"a: 1\r\n" * 80_000,
    "requests without reading": b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" * 2_000,
    "upgrades that say nothing": UPGRADE,
    "nothing": b"",
}


async def flood(post: Lasting, said: bytes, *, upgrade: bool, visits: Iterator[int]) -> None:
    """The same again and again, whenever it is cut, without reading."""
    opened = upgraded if upgrade else connected
    while True:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(1):
                _, writer = await opened(post.gateway.port)
            next(visits)
            try:
                writer.transport.pause_reading()  # type: ignore[attr-defined]  # a StreamWriter's is a full transport
                for _ in range(10):
                    writer.write(said)
                    await writer.drain()
            finally:
                writer.transport.abort()
        await asyncio.sleep(0.01)  # the client that must not notice lives in the same loop


@pytest.mark.parametrize(
    ("floods", "upgrade"),
    [
        pytest.param(TINY, True, id="of tiny frames"),
        pytest.param(OTHERS, True, id="of other frames"),
        pytest.param(REQUESTS, False, id="of connections"),
    ],
)
async def test_somebody_else_keeps_the_connection_through_six_floods_at_once(
    post: Lasting, floods: dict[str, bytes], upgrade: bool
) -> None:
    before, most, visits = post.megabytes(), 0, itertools.count()

    async with post.undisturbed():
        tasks = [asyncio.create_task(flood(post, said, upgrade=upgrade, visits=visits)) for said in floods.values()]
        for _ in range(int(FLOOD_SECONDS / 0.05)):
            await asyncio.sleep(0.05)
            most = max(most, post.megabytes()[0])
        for task in tasks:
            assert not task.done(), task
            task.cancel()
        await asyncio.wait(tasks)

    came = next(visits)
    print(f"\n{', '.join(floods)}, {came} visits: gateway {before[0]} -> {post.megabytes()[0]} MB, at most {most} MB")
    assert most - before[0] < max(GROWTH_MEGABYTES, VISIT_MEGABYTES * came)
    assert post.gateway.alive
    assert (await post.gateway.get("/readyz"))[0] == 200
    assert "Traceback" not in post.log(), post.log()[-4000:]


async def test_each_of_many_quick_visits_leaves_nothing_behind(post: Lasting) -> None:
    before = post.megabytes()
    visits = itertools.count()

    async def visit() -> None:
        while next(visits) < VISITS:
            reader, writer = await upgraded(post.gateway.port)
            writer.write(LOGIN)
            async with asyncio.timeout(15):
                assert b"sid" in await reader.read(1_000)
            writer.transport.abort()

    async with post.undisturbed(), asyncio.TaskGroup() as visitors:
        for _ in range(6):
            visitors.create_task(visit())

    print(f"\n{VISITS} visits: gateway {before[0]} -> {post.megabytes()[0]} MB")
    assert post.megabytes()[0] - before[0] < GROWTH_MEGABYTES
    assert "Traceback" not in post.log(), post.log()[-4000:]
