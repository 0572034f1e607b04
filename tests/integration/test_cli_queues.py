"""`restante queues` against a real broker: what it lists, what it deletes, what it leaves alone."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiormq.abc import AbstractChannel

from deploy.local.broker import Broker
from shared import topology
from shared.broker import close, connect, wire
from shared.names import user_queue
from shared.settings import BrokerSettings, QueueType
from tests.support.command import Said, typed

T = TypeVar("T")
Rows = dict[str, dict[str, Any]]


class Street:
    """The queues of some users, seen by an operator."""

    def __init__(self, url: str, management_url: str) -> None:
        self._url = url
        self.environment = {"BROKER_URL": url, "RABBITMQ_MANAGEMENT_URL": management_url}

    async def restante(self, *words: str, answer: str = "") -> Said:
        return await asyncio.to_thread(typed, "queues", *words, answer=answer, **self.environment)

    async def rows(self, *words: str) -> Rows:
        return {row["user"]: row for row in (await self.restante("--json", *words)).lines}

    async def listed(self, condition: Callable[[Rows], bool], *words: str) -> Rows:
        """What is listed once the condition holds: RabbitMQ's statistics are some seconds behind."""
        deadline = asyncio.get_running_loop().time() + 30
        while not condition(rows := await self.rows(*words)):
            assert asyncio.get_running_loop().time() < deadline, rows
            await asyncio.sleep(0.3)
        return rows

    async def with_channel(self, use: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        connection = await connect(BrokerSettings(broker_url=self._url), "test")  # type: ignore[arg-type]  # as typed
        try:
            return await use(await wire(connection).channel())
        finally:
            await close(connection)

    async def declare(self, *users: str, queue_type: QueueType = QueueType.CLASSIC) -> None:
        async def act(channel: AbstractChannel) -> None:
            for user in users:
                await topology.declare_user(channel, user, queue_type)

        await self.with_channel(act)

    async def put(self, user: str, count: int = 1) -> None:
        async def act(channel: AbstractChannel) -> None:
            for _ in range(count):
                await channel.basic_publish(b"1", routing_key=user_queue(user))

        await self.with_channel(act)

    async def waiting(self, user: str) -> int:
        async def act(channel: AbstractChannel) -> int:
            return (await channel.queue_declare(user_queue(user), passive=True)).message_count or 0

        return await self.with_channel(act)


@pytest.fixture
def street(broker: Broker, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Street:
    monkeypatch.chdir(tmp_path)
    return Street(broker_url, broker.management_url)


async def test_the_fullest_queue_is_listed_first_and_no_other_program_s(street: Street) -> None:
    await street.declare("alice", "bob", "carol")
    await street.put("bob", 3)
    await street.put("alice")

    async def act(channel: AbstractChannel) -> None:
        await channel.queue_declare("user.not/ours", durable=True)
        await channel.queue_declare("orders", durable=True)

    await street.with_channel(act)
    # RabbitMQ's management fills its figures in one by one, some seconds after the queue is there.
    rows = await street.listed(
        lambda rows: (
            (rows["bob"]["ready"], rows["alice"]["ready"]) == (3, 1)
            and (rows["carol"]["unacked"], rows["carol"]["consumers"]) == (0, 0)
        )
    )

    assert list(rows) == ["bob", "alice", "carol"]
    assert rows["carol"]["type"] == "classic"
    assert "3 queues, 4 messages." in (await street.restante()).err


async def test_only_empty_idle_queues_are_deleted(street: Street) -> None:
    await street.declare("alice", "bob", "carol")
    await street.put("alice")

    async def while_carol_is_served(channel: AbstractChannel) -> Said:
        async def keep(_: object) -> None:
            pass

        await channel.basic_consume(user_queue("carol"), keep)
        await street.listed(lambda rows: rows["carol"]["consumers"] == 1)
        await street.listed(lambda rows: set(rows) == {"alice", "bob"}, "--idle", "1s")
        return await street.restante("--idle", "1s", "--delete", "--yes", "--json")

    said = await street.with_channel(while_carol_is_served)

    assert {row["user"]: row["deleted"] for row in said.lines} == {"alice": False, "bob": True}
    assert set(await street.rows()) == {"alice", "carol"}
    assert await street.waiting("alice") == 1


async def test_a_queue_that_got_a_message_since_it_was_listed_stays(street: Street) -> None:
    await street.declare("alice")
    await street.listed(lambda rows: "alice" in rows, "--idle", "1s")

    await street.put("alice")
    said = await street.restante("--idle", "1s", "--delete", "--yes")

    assert said.code == 0
    assert "0 queues deleted" in said.err
    assert await street.waiting("alice") == 1


async def test_nothing_is_deleted_before_somebody_said_yes(street: Street) -> None:
    await street.declare("alice")
    await street.listed(lambda rows: "alice" in rows, "--idle", "1s")

    refused = await street.restante("--idle", "1s", "--delete", answer="n\n")
    assert refused.code == 1
    assert "Delete 1 empty queue?" in refused.out + refused.err
    assert "alice" in await street.rows()

    said = await street.restante("--idle", "1s", "--delete", answer="y\n")
    assert said.code == 0
    assert await street.rows() == {}


async def test_queues_used_lately_are_not_idle(street: Street) -> None:
    await street.declare("alice")
    await street.listed(lambda rows: "alice" in rows, "--idle", "1s")

    assert await street.rows("--idle", "1h") == {}


async def test_quorum_queues_are_left_alone_since_nobody_knows_how_long_they_are_idle(street: Street) -> None:
    await street.declare("alice", queue_type=QueueType.QUORUM)
    await street.listed(lambda rows: bool(rows) and rows["alice"]["consumers"] == 0)

    said = await street.restante("--idle", "1s", "--delete", "--yes")

    assert "1 queue without a consumer left out: RabbitMQ does not say since when." in said.err
    assert (await street.rows())["alice"]["idle_since"] is None


async def test_without_the_management_api_it_says_so(street: Street) -> None:
    street.environment["RABBITMQ_MANAGEMENT_URL"] = "http://guest:hidden@127.0.0.1:1/"

    said = await street.restante()

    assert said.code == 4
    assert "no list of queues: http://127.0.0.1:1 does not answer" in said.err
    assert "hidden" not in said.err


@pytest.mark.parametrize("words", [("--delete",), ("--idle", "1s", "--delete", "--json"), ("--idle", "soon")])
async def test_what_makes_no_sense_is_refused(street: Street, words: tuple[str, ...]) -> None:
    said = await street.restante(*words)

    assert said.code == 2
