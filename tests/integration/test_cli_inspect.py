"""`restante inspect USER` with both services running: the user's sessions, their gateways, and what they owe."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiormq.abc import AbstractChannel

from deploy.local.broker import Broker
from shared import topology
from shared.cli.presence import Presence
from shared.settings import QueueType
from shared.wire import Batch, Present, Settled, encode_batch
from tests.support.accounts import accounts
from tests.support.command import Listener, typed
from tests.support.office import Office
from tests.support.services import Services

pytestmark = pytest.mark.timeout(300)  # processes and brokers start slowly on a loaded machine


@pytest.fixture
async def services(broker_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Services]:
    running = Services(broker_url, tmp_path_factory.mktemp("services"))
    yield running
    await running.end()


async def told(office: Office, user: str, sessions: int) -> dict[str, Any]:
    """What it says once so many sessions are seen: one is announced a moment after it is open."""
    deadline = asyncio.get_running_loop().time() + 60
    while True:
        said = await asyncio.to_thread(office.restante, "inspect", user, "--json")
        assert said.code == 0, said
        [found] = said.lines
        if found["sessions"] is not None and len(found["sessions"]) == sessions:
            return dict(found)
        assert asyncio.get_running_loop().time() < deadline, found
        await asyncio.sleep(0.2)


async def test_each_session_is_told_with_its_gateway_and_what_it_has_not_confirmed(
    office: Office, services: Services, tmp_path: Path
) -> None:
    gateway, _ = await services.pair()
    (tmp_path / "other").mkdir()
    forgetful = Listener(gateway.url, tmp_path, "alice", "--no-confirm")
    try:
        other = Listener(gateway.url, tmp_path / "other", "alice", "--no-confirm")
        try:
            await told(office, "alice", 2)
            await asyncio.to_thread(office.restante, "publish", "alice", "1", "--id", "m1")
            await forgetful.shown("m1")
            await other.shown("m1")

            found = await told(office, "alice", 2)
            shown = (await asyncio.to_thread(office.restante, "inspect", "alice")).out
        finally:
            other.kill()
    finally:
        forgetful.kill()

    assert [session["unconfirmed"] for session in found["sessions"]] == [1, 1]
    assert len({session["session"] for session in found["sessions"]}) == 2
    assert len({session["gateway"] for session in found["sessions"]}) == 1
    assert (found["window"], found["sessions_unknown"]) == (32, None)
    assert shown.count("on gateway") == 2
    assert "32 messages unconfirmed at most" in shown


async def test_a_user_who_is_away_has_no_session(office: Office, services: Services) -> None:
    await services.pair()

    found = await told(office, "carol", 0)

    assert (found["sessions"], found["window"]) == ([], 32)


def test_an_account_that_may_only_look_is_told_that_it_may_not_ask(broker: Broker) -> None:
    with accounts(broker) as known:
        office = Office(known.root_url, known.management, QueueType.CLASSIC)

        async def served(channel: AbstractChannel) -> dict[str, Any]:
            async def keep(_: object) -> None:
                pass

            await topology.declare_all(channel, QueueType.CLASSIC)
            await channel.basic_consume("dispatcher.census", keep)
            said = await asyncio.to_thread(typed, "inspect", "alice", "--json", **known.environment("operator"))
            return dict(said.lines[0])

        found = asyncio.run(office.with_channel(served))

    assert (found["dispatchers"], found["sessions"]) == (1, None)
    assert found["sessions_unknown"] == "this account may not ask a dispatcher"


def test_an_answer_is_whole_when_all_sessions_have_been_told() -> None:
    first = Present("alice", ("s1",), "gateway.0a", 2, 3, 200.0)
    second = Present("alice", ("s2",), "gateway.0b", 2, 0, 100.0)
    found = Presence()

    found.take("alice", encode_batch(Batch("d", 8, (first, Settled("alice", "m1", ("s1",))))))
    found.take("alice", encode_batch(Batch("d", 8, (first, Present("bob", ())))))
    found.take("alice", b"of another release")
    assert not found.sessions

    found.take("alice", encode_batch(Batch("d", 8, (second,))))
    assert found.sessions is not None
    assert [(seen.session, seen.gateway, seen.unconfirmed) for seen in found.sessions] == [
        ("s2", "0b", 0),
        ("s1", "0a", 3),
    ]
    assert found.window == 8
