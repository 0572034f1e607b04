"""How clients leave a gateway that drains: spread out, each once it has answered, in a way that lets it come back."""

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import pairwise

from gateway.drain import ANSWER_SECONDS, send_away
from tests.support.gateway import InProcess, closed, in_process, log_in, message_heard, raw
from tests.support.tokens import token
from tests.support.until import until


def drain(gateway: InProcess, seconds: float) -> "asyncio.Task[None]":
    return asyncio.create_task(send_away(gateway.sockets, gateway.sockets.engine.open_connections(), seconds))


async def test_a_client_that_still_has_to_answer_is_waited_for_and_sent_nothing_more() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))
        gateway.forward("alice", "m1")
        callback, _ = await message_heard(socket)

        draining = drain(gateway, 0.1)
        await until(lambda: gateway.sessions._sessions[gateway.sessions.sessions_of("alice")[0]].held, "held")
        gateway.forward("alice", "m2")
        await socket.send(f"43{callback}[]")

        code = await closed(socket)
        assert code in (1000, 1005)
        await draining
        assert [outcome.message for outcome in gateway.office.outcomes] == ["m1"]
        assert gateway.count("emitted_total") == 1


async def test_a_client_that_never_answers_is_closed_after_a_moment() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice"))
        gateway.forward("alice", "m1")
        await message_heard(socket)
        began = time.monotonic()

        await drain(gateway, 0.1)

        assert time.monotonic() - began >= ANSWER_SECONDS
        await closed(socket)
        await until(lambda: len(gateway.sessions) == 0, "no session")
        assert gateway.office.outcomes == []


async def test_a_client_whose_message_is_being_sent_gets_the_answer_first() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await log_in(socket, token("alice", send="*"))
        gateway.office.hold.clear()
        await socket.send('4217["send",{"to":"bob","data":1,"id":"x"}]')
        await until(lambda: gateway.office.sent, "the message is on its way")

        draining = drain(gateway, 0.1)
        await asyncio.sleep(0)
        gateway.office.hold.set()

        assert await socket.recv() == '4317[{"ok":true,"id":"alice/x"}]'
        await closed(socket)
        await draining


async def test_clients_leave_one_after_the_other_over_the_time_of_the_drain() -> None:
    count, seconds = 40, 2.0
    async with in_process() as gateway, AsyncExitStack() as stack:
        for number in range(count):
            await log_in(await stack.enter_async_context(raw(gateway)), token(f"user{number}"))
        left: list[int] = []
        draining = drain(gateway, seconds)
        while not draining.done():
            left.append(count - len(gateway.sockets.engine.open_connections()))
            await asyncio.sleep(0.05)

        most_at_once = max(after - before for before, after in pairwise(left))
        assert most_at_once <= count / 4  # not all at once, however late this process is woken
        assert len(set(left)) > 5


async def test_who_has_not_logged_in_leaves_too() -> None:
    async with in_process() as gateway, raw(gateway) as socket:
        await drain(gateway, 0.1)

        assert await closed(socket) in (1000, 1005)
