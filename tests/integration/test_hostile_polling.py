"""Strangers and clients by HTTP long-polling, where it is set: what they post, poll and begin to upgrade."""

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import patch

import aiohttp
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from gateway import engine, polling
from shared import log
from shared.settings import LogFormat, LogLevel
from tests.support.corpus import PAYLOADS
from tests.support.gateway import InProcess, closed, in_process, log_in, raw
from tests.support.tokens import token
from tests.support.until import until
from tests.support.witness import undisturbed

UPGRADE_SECONDS = 0.3
ENDING_SECONDS = 0.3
"""Whoever is closed here does not poll any more, so each test waits for it."""


@pytest_asyncio.fixture
async def gateway(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InProcess]:
    """After each test: nobody is left, and nothing looks like a fault."""
    monkeypatch.setattr(polling, "UPGRADE_SECONDS", UPGRADE_SECONDS)
    monkeypatch.setattr(engine, "ENDING_SECONDS", ENDING_SECONDS)
    root, written = logging.getLogger(), io.StringIO()
    with patch.multiple(root, handlers=[], level=root.level):
        with contextlib.redirect_stderr(written):
            log.configure(LogLevel.INFO, LogFormat.TEXT)
        async with in_process(gateway_transports=("websocket", "polling")) as running:
            yield running
            await until(lambda: len(running.sockets.engine) == 0, "everybody gone")
    assert "Traceback" not in written.getvalue(), written.getvalue()
    assert "fault" not in written.getvalue(), written.getvalue()


class Poller:
    """A client that polls, one request after the other."""

    def __init__(self, gateway: InProcess, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._gateway = gateway
        self.url = f"{gateway.url}/socket.io/?EIO=4&transport=polling"

    async def open(self) -> None:
        _, said = await self.poll()
        self.connection = json.loads(said[1:])["sid"]
        self.url += f"&sid={self.connection}"

    async def log_in(self, user: str) -> None:
        assert await self.post(f'40{{"token":"{token(user)}"}}'.encode()) == 200
        _, said = await self.poll()
        assert said.startswith('40{"sid":'), said

    async def poll(self) -> tuple[int, str]:
        async with self._http.get(self.url) as answer:
            return answer.status, await answer.text()

    async def post(self, said: bytes) -> int:
        """400 also when the answer comes before all was said, and the connection ends with it."""
        try:
            async with self._http.post(self.url, data=io.BytesIO(said)) as answer:
                return answer.status
        except aiohttp.ClientOSError:
            return 400

    def upgrade(self) -> connect:
        url = self.url.replace("http:", "ws:").replace("transport=polling", "transport=websocket")
        return connect(url, compression=None, ping_interval=None)

    async def works(self, user: str, answer: str = "43#[]") -> None:
        """It brings messages and answers: with `answer`, where # stands for the number of the message."""
        self._gateway.forward(user, "after all")
        event = ""
        while not event:
            status, said = await self.poll()
            assert status == 200, said
            packets = said.split("\x1e")
            if "2" in packets:
                await self.post(b"3")
            event = next((packet for packet in packets if packet.startswith("42")), "")
        assert '"id":"after all"' in event, event
        assert await self.post(answer.replace("#", event[2 : event.index("[")]).encode()) == 200
        await until(lambda: user in [outcome.user for outcome in self._gateway.office.outcomes], "confirmed")


@asynccontextmanager
async def poller(gateway: InProcess) -> AsyncIterator[Poller]:
    async with aiohttp.ClientSession() as http:
        client = Poller(gateway, http)
        await client.open()
        yield client


async def gone(gateway: InProcess, client: Poller) -> None:
    await until(lambda: gateway.sockets.engine.connection(client.connection) is None, "closed")


@pytest.mark.parametrize("payload", [pytest.param(said, id=name) for name, said in PAYLOADS.items()])
@pytest.mark.parametrize("with_login", [False, True], ids=["a stranger", "a client"])
async def test_a_post_that_is_none_closes_its_connection(gateway: InProcess, payload: bytes, with_login: bool) -> None:
    async with undisturbed(gateway), poller(gateway) as client:
        if with_login:
            await client.log_in("mallory")

        status = await client.post(payload)

        assert status == (200 if payload in (b"1", PAYLOADS["brackets without end"]) else 400)
        if not with_login and payload == PAYLOADS["brackets without end"]:
            await client.post(b"1")  # nobody has looked into what somebody without a session says
        await gone(gateway, client)
        assert (await client.post(b"3"), (await client.poll())[0]) == (400, 400)
    assert not gateway.sessions.sessions_of("mallory")
    assert not gateway.office.sent


async def test_whoever_has_no_connection_can_neither_post_nor_poll(gateway: InProcess) -> None:
    async with undisturbed(gateway), poller(gateway) as client, raw(gateway) as socket:
        await client.log_in("alice")
        await log_in(socket, token("bob"))
        by_websocket = next(c.id for c in gateway.sockets.engine.open_connections() if c.id != client.connection)
        own = client.url
        for other in (
            "",
            "&sid=",
            "&sid=x",
            f"&sid={client.connection[:-1]}",
            "&sid=%00%0a\u00e9",
            "&sid=" + "x" * 9000,
        ):
            client.url = own.partition("&sid=")[0] + other
            assert await client.post(b'42["send",{"to":"bob","data":1}]') == 400
            if other and other != "&sid=":
                assert (await client.poll())[0] == 400
        client.url = own.replace(client.connection, by_websocket)
        assert (await client.post(b"1"), (await client.poll())[0]) == (400, 400)

        client.url = own
        await client.works("alice")
        assert gateway.sessions.sessions_of("bob")
        await client.post(b"1")


async def test_a_post_that_is_cut_off_or_slow_says_nothing(gateway: InProcess) -> None:
    said = b'421["send",{"to":"bob","data":1}]'
    async with undisturbed(gateway), poller(gateway) as client:
        await client.log_in("mallory")
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        path = client.url.removeprefix(gateway.url)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(said) + 9}\r\n\r\n".encode() + said)
        await asyncio.sleep(0.2)
        assert not gateway.office.sent

        writer.close()
        await gone(gateway, client)

        assert not await reader.read()
        assert not gateway.office.sent


async def test_a_post_in_chunks_is_read_whole(gateway: InProcess) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"40{"
        yield f'"token":"{token("alice")}"}}'.encode()

    async with aiohttp.ClientSession() as http, poller(gateway) as client:
        async with http.post(client.url, data=chunks()) as answer:
            assert answer.status == 200
        assert (await client.poll())[1].startswith('40{"sid":')
        await client.works("alice")
        await client.post(b"1")


async def test_a_hundred_polls_at_once_cost_nobody_else_anything(gateway: InProcess) -> None:
    asyncio.get_running_loop().set_debug(False)  # what watching a hundred at once costs, somebody else would notice
    async with undisturbed(gateway), poller(gateway) as client:
        await client.log_in("mallory")
        async with asyncio.TaskGroup() as polls:
            for _ in range(100):
                polls.create_task(client.poll())
            await asyncio.sleep(0.2)
            gateway.forward("mallory", "m1")
            await client.post(b"1")
        await gone(gateway, client)


async def test_jsonp_is_refused(gateway: InProcess) -> None:
    async with undisturbed(gateway), aiohttp.ClientSession() as http:
        for query in ("j=0", "j=x", "j=0&sid=x"):
            assert (await http.get(f"{gateway.url}/socket.io/?EIO=4&transport=polling&{query}")).status == 400


@pytest.mark.parametrize("probe", ["x", "", "2", "2prob", "3probe", "40{}", '42["message",1]', "5"])
async def test_an_upgrade_that_begins_with_something_else_ends_and_polling_goes_on(
    gateway: InProcess, probe: str
) -> None:
    async with undisturbed(gateway), poller(gateway) as client:
        await client.log_in("alice")
        async with client.upgrade() as socket:
            await socket.send(probe)
            await closed(socket)
        await client.works("alice")
        await client.post(b"1")


@pytest.mark.parametrize("said", [[], ["2probe"], ["2probe", "2probe"], ["2probe", "40{}"]])
async def test_an_upgrade_that_is_never_finished_ends_and_polling_goes_on(gateway: InProcess, said: list[str]) -> None:
    async with undisturbed(gateway), poller(gateway) as client:
        await client.log_in("alice")
        async with client.upgrade() as socket:
            for frame in said:
                await socket.send(frame)
            await closed(socket, UPGRADE_SECONDS + 4)
        await client.works("alice")
        await client.post(b"1")


async def test_a_client_that_gives_its_upgrade_up_goes_on_polling(gateway: InProcess) -> None:
    async with poller(gateway) as client:
        await client.log_in("alice")
        async with client.upgrade():
            pass
        await client.works("alice")
        await client.post(b"1")


async def test_a_connection_is_upgraded_once_and_not_after_its_end(gateway: InProcess) -> None:
    async with undisturbed(gateway), poller(gateway) as client:
        await client.log_in("alice")
        async with client.upgrade() as socket:
            await socket.send("2probe")
            assert await socket.recv() == "3probe"
            assert await refused(client) == 400

            await client.post(b"1")
            await gone(gateway, client)
            await socket.send("5")
            await closed(socket)
        assert await refused(client) == 400


async def refused(client: Poller) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with client.upgrade() as socket:
            assert isinstance(socket, ClientConnection)
    return caught.value.response.status_code


async def test_a_client_between_two_polls_is_told_that_it_was_replaced_when_it_polls_again(gateway: InProcess) -> None:
    async with poller(gateway) as client:
        await client.log_in("alice")

        gateway.forward("alice", "m1")
        for session in gateway.sessions.sessions_of("alice"):
            gateway.replace(session)
        await until(lambda: not gateway.sessions.sessions_of("alice"), "the end of the session")
        status, said = await client.poll()

        assert status == 200, said
        message, *rest = said.split("\x1e")
        assert '"id":"m1"' in message
        assert rest == ['42["replaced"]', "41", "1"]
        await gone(gateway, client)


@pytest.mark.parametrize("between", ["\x1e", ""], ids=["in one post", "in two posts, as the stock client does"])
async def test_an_answer_with_binary_parts_confirms_and_polling_goes_on(gateway: InProcess, between: str) -> None:
    part = "bAAEC"
    async with poller(gateway) as client:
        await client.log_in("alice")

        await client.works("alice", '461-#[{"_placeholder":true,"num":0}]' + between + part * bool(between))
        if not between:
            assert await client.post(part.encode()) == 200

        assert gateway.office.outcomes[0].detail == "value left out: it has binary parts"
        assert await client.post(part.encode()) == 400  # no part of anything
