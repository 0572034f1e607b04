"""Below Socket.IO: bytes that are no HTTP, connections that never come to the point."""

import asyncio
import resource
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.broker import Broker
from tests.support.broker import virtual_host
from tests.support.history import History
from tests.support.lasting import Lasting, lasting
from tests.support.python_client import PythonClient
from tests.support.services import Services
from tests.support.streams import UPGRADE, connected, ended, masked, upgraded
from tests.support.tokens import token

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRANGERS = 1_000
"""By hand also 10,000."""

PATIENCE_SECONDS = 10.0
GROWTH_MEGABYTES = 64


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lasting]:
    asyncio.get_running_loop().set_debug(False)
    with virtual_host(broker) as url:
        async with lasting(Services(url, tmp_path_factory.mktemp("services"))) as started:
            yield started


@pytest_asyncio.fixture(loop_scope="module")
async def post(running: Lasting) -> AsyncIterator[Lasting]:
    """After each test: the services live, and their logs hold no stack trace."""
    yield running
    assert running.gateway.alive
    assert running.dispatcher.alive
    assert "Traceback" not in running.log(), running.log()[-4000:]
    assert "fault" not in running.log(), running.log()[-4000:]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200, id="TLS"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="SSH"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"AMQP\0\0\x09\x01", id="AMQP"),
        pytest.param(b"\0" * 1000, id="zeros"),
        pytest.param(b"GET / HTTP/9.9\r\n\r\n", id="an unknown version"),
        pytest.param(b"G\xc3\x84T / HTTP/1.1\r\n\r\n", id="an odd method"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA\0: 1\r\n\r\n", id="a NUL in a header"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", id="a length that is no number"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", id="two lengths"
        ),
        pytest.param(b"GET /" + b"x" * 200_000, id="an address without end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 200_000, id="a header without end"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: 1\r\n" * 20_000, id="headers without end"),
        pytest.param(UPGRADE.replace(b"EIO=4", b"EIO=\xc3\xa4"), id="an upgrade of an address that is no ASCII"),
        pytest.param(UPGRADE.replace(b"Version: 13", b"Version: 99"), id="an upgrade to another version"),
        pytest.param(UPGRADE.replace(b"Sec-WebSocket-Key", b"X"), id="an upgrade without a key"),
        pytest.param(UPGRADE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"x"), id="an upgrade with half a key"),
        pytest.param(UPGRADE.replace(b"GET", b"POST"), id="an upgrade by POST"),
        pytest.param(UPGRADE.replace(b"Host: x", b"Host: x\r\nA: " + b"x" * 9_000), id="an upgrade with a huge header"),
        pytest.param(UPGRADE.replace(b"Host: x", b"Host: x" + b"\r\nA: 1" * 300), id="an upgrade with 300 headers"),
        pytest.param(UPGRADE.replace(b"/socket.io/", b"/else/where"), id="an upgrade of another path"),
        pytest.param(UPGRADE.replace(b"EIO=4", b"EIO=3"), id="an upgrade to an old engine.io"),
        pytest.param(UPGRADE.replace(b"EIO=4", b"EIO=4&sid=x"), id="an upgrade of another's connection"),
    ],
)
async def test_what_is_no_request_is_refused_and_closed(post: Lasting, said: bytes) -> None:
    stream = await connected(post.gateway.port)

    stream[1].write(said)
    answer = await ended(stream, seconds=8)

    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), answer[:200]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"\x81\x02" + b"40", id="a frame without a mask"),
        pytest.param(masked(0xF1, b"40"), id="reserved bits"),
        pytest.param(masked(0x83, b"40"), id="an unknown kind"),
        pytest.param(masked(0x80, b"40"), id="a continuation of nothing"),
        pytest.param(masked(0x81, b"4\xff\xfe"), id="text that is not UTF-8"),
        pytest.param(struct.pack(">BBQ", 0x81, 0xFF, 2**62) + b"\0" * 4, id="a frame of four exabytes"),
        pytest.param(masked(0x81, b"42" + b"x" * 3_000_000), id="a frame of three megabytes"),
        pytest.param(masked(0x01, b"42") + masked(0x00, b"x" * 400_000) * 8, id="a message of many parts"),
        pytest.param(masked(0x89, b"x" * 126), id="a ping that is too long"),
        pytest.param(masked(0x09, b"x"), id="a ping in parts"),
        pytest.param(masked(0x88, b"\x00"), id="a goodbye cut in two"),
        pytest.param(masked(0x88, struct.pack(">H", 1005)), id="a goodbye with a code that is none"),
        pytest.param(masked(0x81, b"40") + b"GET / HTTP/1.1\r\n\r\n", id="a request between frames"),
    ],
)
async def test_what_is_no_frame_closes_the_websocket(post: Lasting, said: bytes) -> None:
    stream = await upgraded(post.gateway.port)

    stream[1].write(said)

    await ended(stream)


async def test_connections_that_never_log_in_are_closed_and_cost_nobody_anything(post: Lasting) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2 * STRANGERS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * STRANGERS + 1000), hard))
    before = post.megabytes()
    refused = f'40{{"token":"{token("mallory")}x"}}'.encode()

    async def stranger(number: int) -> None:
        match number % 6:
            case 0:  # says nothing at all
                stream = await connected(post.gateway.port)
            case 1:  # never ends its request
                stream = await connected(post.gateway.port)
                stream[1].write(UPGRADE[:-2])
            case 2:  # a byte now and then
                stream = await connected(post.gateway.port)
                for byte in UPGRADE[:20]:
                    stream[1].write(bytes([byte]))
                    await asyncio.sleep(0.4)
            case 3:  # never ends its frame
                stream = await upgraded(post.gateway.port)
                stream[1].write(masked(0x81, b"40{}")[:-1])
            case 4:  # is refused, and stays
                stream = await upgraded(post.gateway.port)
                stream[1].write(masked(0x81, refused))
            case _:
                stream = await upgraded(post.gateway.port)
        await ended(stream, seconds=PATIENCE_SECONDS * 2.5)

    async with post.undisturbed(), asyncio.TaskGroup() as strangers:
        for number in range(STRANGERS):
            strangers.create_task(stranger(number))
            if number % 50 == 0:
                await asyncio.sleep(0.05)  # the listener's backlog is not what is tried here

    after = post.megabytes()
    print(f"\n{STRANGERS} connections that never log in: gateway {before[0]} -> {after[0]} MB resident")
    assert after[0] - before[0] < GROWTH_MEGABYTES


async def test_at_the_limit_of_open_files_the_longest_silent_goes_and_whoever_logs_in_gets_in(post: Lasting) -> None:
    gateway = post.services.gateway()
    own = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (400, 400))
    assert own[1] > 400
    await gateway.ready()
    assert "most_connections=200" in gateway.log.read_text()

    silent = [await connected(gateway.port) for _ in range(300)]
    client = PythonClient("late", f"late.{gateway.pid}", History())
    await client.connect(gateway.url, token(client.user))
    await client.online()
    assert (await gateway.get("/readyz"))[0] == 200
    for stream in silent[:100]:
        await ended(stream)
    assert "full" in gateway.log.read_text()

    for stream in silent:
        stream[1].transport.abort()
    assert len(client.sessions) == 1
    await client.disconnect()
    await client.end()


async def test_a_gateway_without_a_file_left_lives_and_takes_connections_again_afterwards(post: Lasting) -> None:
    gateway = post.services.gateway()
    await gateway.ready()
    client = PythonClient("early", f"early.{gateway.pid}", History())
    await client.connect(gateway.url, token(client.user))
    await client.online()
    limits = resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE)

    # Lower than what it found when it started, so that it does not know.
    there = len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, (there + 20, limits[1]))
    crowd = [await connected(gateway.port) for _ in range(100)]
    await post.publisher.publish(client.user, 1, id="m1")
    await client.received(["m1"])
    for stream in crowd:
        stream[1].transport.abort()
    resource.prlimit(gateway.pid, resource.RLIMIT_NOFILE, limits)

    late = PythonClient("late", f"late.{gateway.pid}", History())
    await late.connect(gateway.url, token(late.user))
    await late.online()
    assert gateway.alive
    assert len(client.sessions) == 1
    assert "Traceback" not in gateway.log.read_text()
    for each in (client, late):
        await each.disconnect()
        await each.end()
