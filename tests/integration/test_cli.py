"""The commands against a real broker: what they publish, show, put back and delete."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiormq.abc import AbstractChannel, DeliveredMessage
from pamqp.commands import Basic

from deploy.local.broker import Broker
from shared import topology
from shared.broker import close, connect, wire
from shared.names import CENSUS, DEAD_LETTERS, UNROUTED, user_queue
from shared.settings import BrokerSettings, QueueType
from tests.support.command import Said, typed

T = TypeVar("T")
Told = tuple[bytes, Basic.Properties]


class Office:
    """A broker as a dispatcher leaves it, with a queue for alice; and whoever looks into its queues."""

    def __init__(self, url: str, management_url: str, queue_type: QueueType) -> None:
        self.url = url
        self._queue_type = queue_type
        self.environment = {"BROKER_URL": url, "RABBITMQ_MANAGEMENT_URL": management_url}

    def restante(self, *words: str, answer: str = "") -> Said:
        return typed(*words, answer=answer, **self.environment)

    async def open(self) -> None:
        async def declare(channel: AbstractChannel) -> None:
            await topology.declare_all(channel, self._queue_type)
            await topology.declare_user(channel, "alice", self._queue_type)
            await topology.bind_user(channel, "alice")

        await self.with_channel(declare)

    async def with_channel(self, use: Callable[[AbstractChannel], Awaitable[T]]) -> T:
        connection = await connect(BrokerSettings(broker_url=self.url), "test")  # type: ignore[arg-type]  # as typed
        try:
            return await use(await wire(connection).channel())
        finally:
            await close(connection)

    async def bury(self, message_id: str, *, user: str = "alice", reason: str = "refused", **more: Any) -> None:
        headers = {"reason": reason, "detail": "no room", "user": user, "attempts": 1, "from": "bob", **more}
        properties = Basic.Properties(message_id=message_id, headers=headers, content_type="application/json")

        async def put(channel: AbstractChannel) -> None:
            await channel.basic_publish(b'{"n":1}', exchange=DEAD_LETTERS, properties=properties)

        await self.with_channel(put)

    async def take(self, queue: str, count: int) -> list[Told]:
        """The messages of a queue that nobody else consumes, once it has exactly so many."""

        async def consume(channel: AbstractChannel) -> list[Told]:
            found: asyncio.Queue[Told] = asyncio.Queue()

            async def keep(message: DeliveredMessage) -> None:
                found.put_nowait((message.body, message.header.properties))

            deadline = asyncio.get_running_loop().time() + 15
            while (there := (await channel.queue_declare(queue, passive=True)).message_count) != count:
                assert asyncio.get_running_loop().time() < deadline, f"{there} messages in {queue}, not {count}"
                await asyncio.sleep(0.01)
            await channel.basic_consume(queue, keep, no_ack=True)
            return [await found.get() for _ in range(count)]

        return await self.with_channel(consume)

    async def ids(self, queue: str, count: int) -> list[str | None]:
        return [properties.message_id for _, properties in await self.take(queue, count)]


@pytest.fixture
def office(
    request: pytest.FixtureRequest, broker: Broker, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Office:
    monkeypatch.chdir(tmp_path)
    office = Office(broker_url, broker.management_url, getattr(request, "param", QueueType.CLASSIC))
    asyncio.run(office.open())
    return office


both_queue_types = pytest.mark.parametrize("office", list(QueueType), indirect=True)


@both_queue_types
def test_a_published_message_is_as_the_contract_says(office: Office) -> None:
    said = office.restante("publish", "alice", '{"a": 1.0}', "--id", "m1", "--type", "greeting", "--ttl", "1h")

    assert (said.code, said.out) == (0, "The broker holds m1 for alice.\n")
    [(body, properties)] = asyncio.run(office.take(user_queue("alice"), 1))
    assert body == b'{"a": 1.0}'
    assert (properties.message_id, properties.message_type, properties.content_type) == (
        "m1",
        "greeting",
        "application/json",
    )
    assert (properties.delivery_mode, properties.expiration) == (2, "3600000")
    assert properties.timestamp is not None


def test_several_are_published_in_order_under_ids_of_their_own(office: Office) -> None:
    said = office.restante("publish", "alice", "1", "--id", "m", "--count", "3", "--json")

    assert [line["id"] for line in said.lines] == ["m-1", "m-2", "m-3"]
    assert asyncio.run(office.ids(user_queue("alice"), 3)) == ["m-1", "m-2", "m-3"]


def test_text_bytes_and_stdin_are_published_as_they_are(office: Office, tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(b"\x00\xff")

    for words, answer in (
        (("say [bold]é",), ""),
        (("-",), "from stdin"),
    ):
        assert office.restante("publish", "alice", *words, "--text", answer=answer).code == 0
    assert office.restante("publish", "alice", "--binary-file", "picture").code == 0

    told = [(body, properties.content_type) for body, properties in asyncio.run(office.take(user_queue("alice"), 3))]
    assert told == [
        ("say [bold]é".encode(), "text/plain"),
        (b"from stdin", "text/plain"),
        (b"\x00\xff", "application/octet-stream"),
    ]


def test_a_message_for_a_new_user_waits_in_unrouted(office: Office) -> None:
    assert office.restante("publish", "carol", "1", "--id", "m1").code == 0

    assert asyncio.run(office.ids(UNROUTED, 1)) == ["m1"]


def test_publishing_where_no_dispatcher_ever_ran_says_so(broker_url: str) -> None:
    for words in ((), ("--receipt",)):
        said = typed("publish", "alice", "1", *words, BROKER_URL=broker_url)

        assert said.code == 1
        assert "has a dispatcher ever run" in said.err


def test_inspect_shows_what_waits_and_that_nobody_takes_it(office: Office) -> None:
    office.restante("publish", "alice", "1", "--count", "3")

    [said] = office.restante("inspect", "alice", "--json").lines

    assert (said["queue"], said["exists"], said["ready"], said["consumers"]) == ("user.alice", True, 3, 0)
    assert (said["partition"], said["dispatchers"], said["management"]) == (7, 0, None)
    assert "nobody serves them" in office.restante("inspect", "alice").out
    assert len(asyncio.run(office.take(user_queue("alice"), 3))) == 3


def test_inspect_shows_who_serves_a_user(office: Office) -> None:
    async def look(channel: AbstractChannel) -> tuple[Said, Said]:
        async def keep(_: object) -> None:
            pass

        await channel.basic_consume(user_queue("alice"), keep)
        await channel.basic_consume("sessions.7", keep)
        await channel.basic_consume(CENSUS, keep)
        words = (("inspect", "alice", "--json"), ("inspect", "alice"))
        deadline = asyncio.get_running_loop().time() + 30
        while True:  # the management API learns of consumers some seconds later
            as_json, shown = [await asyncio.to_thread(office.restante, *line) for line in words]
            if as_json.lines[0]["dispatcher"] and as_json.lines[0]["partition_owner"]:
                return as_json, shown
            assert asyncio.get_running_loop().time() < deadline, as_json

    as_json, shown = asyncio.run(office.with_channel(look))

    [said] = as_json.lines
    assert (said["consumers"], said["dispatchers"]) == (1, 1)
    assert (said["dispatcher"]["name"], said["partition_owner"]) == ("test", "test")
    assert "a dispatcher serves them" in shown.out
    assert "owned by test" in shown.out


def test_inspect_does_without_the_management_api(office: Office) -> None:
    office.environment["RABBITMQ_MANAGEMENT_URL"] = "http://guest:hidden@127.0.0.1:1/"

    [said] = office.restante("inspect", "alice", "--json").lines
    shown = office.restante("inspect", "alice").out

    assert (said["ready"], said["unacked"], said["management"]) == (0, None, "http://127.0.0.1:1 does not answer")
    assert "hidden" not in shown


def test_inspect_says_that_a_user_has_no_queue(office: Office) -> None:
    office.restante("publish", "carol", "1")

    [said] = office.restante("inspect", "carol", "--json").lines

    assert (said["exists"], said["ready"], said["unrouted"]) == (False, None, 1)
    assert "does not exist" in office.restante("inspect", "carol").out


@both_queue_types
def test_listing_dead_letters_leaves_them_in_their_place(office: Office) -> None:
    asyncio.run(several(office))

    shown = office.restante("dead-letters", "list")
    listed = office.restante("dead-letters", "list", "--json").lines

    assert "4 dead letters shown, 4 in all." in shown.err
    assert [letter["id"] for letter in listed] == ["m1", "m2", "m3", "m4"]
    assert listed[0] == {
        "user": "alice",
        "reason": "refused",
        "detail": "no room",
        "attempts": 1,
        "id": "m1",
        "type": "",
        "content_type": "application/json",
        "timestamp": None,
        "data": {"n": 1},
    }
    assert asyncio.run(office.ids(DEAD_LETTERS, 4)) == ["m1", "m2", "m3", "m4"]


def test_listing_some_dead_letters_starts_with_the_oldest(office: Office) -> None:
    asyncio.run(several(office))

    said = office.restante("dead-letters", "list", "--limit", "2", "--json")

    assert [letter["id"] for letter in said.lines] == ["m1", "m2"]
    assert "2 dead letters shown, 4 in all." in said.err
    assert asyncio.run(office.ids(DEAD_LETTERS, 4)) == ["m1", "m2", "m3", "m4"]


def test_dead_letters_are_chosen_by_user_reason_and_id(office: Office) -> None:
    asyncio.run(several(office))

    def ids(*words: str) -> list[str]:
        return [letter["id"] for letter in office.restante("dead-letters", "list", "--json", *words).lines]

    assert ids("--user", "alice") == ["m1", "m3"]
    assert ids("--reason", "unconfirmed") == ["m2", "m3"]
    assert ids("--user", "alice", "--reason", "unconfirmed") == ["m3"]
    assert ids("--id", "m2") == ["m2"]
    assert ids("--reason", "unconfirmed", "--limit", "1") == ["m2"]


def test_a_requeued_letter_is_the_message_that_its_publisher_sent(office: Office) -> None:
    asyncio.run(office.bury("m1", **{"x-original-expiration": "60000"}))

    said = office.restante("dead-letters", "requeue", "--user", "alice")

    assert said.code == 0
    [(body, properties)] = asyncio.run(office.take(user_queue("alice"), 1))
    assert (body, properties.message_id, properties.expiration) == (b'{"n":1}', "m1", "60000")
    assert properties.headers == {"from": "bob"}
    assert asyncio.run(office.ids(DEAD_LETTERS, 0)) == []


@both_queue_types
def test_requeueing_takes_the_chosen_ones_and_leaves_the_others_in_place(office: Office) -> None:
    asyncio.run(several(office))

    said = office.restante("dead-letters", "requeue", "--user", "alice", "--json")

    assert [letter["id"] for letter in said.lines] == ["m1", "m3"]
    assert asyncio.run(office.ids(user_queue("alice"), 2)) == ["m1", "m3"]
    assert asyncio.run(office.ids(DEAD_LETTERS, 2)) == ["m2", "m4"]


def test_a_dry_run_only_says_what_it_would_do(office: Office) -> None:
    asyncio.run(several(office))

    said = office.restante("dead-letters", "requeue", "--user", "alice", "--dry-run")

    assert "2 dead letters would be requeued." in said.err
    assert asyncio.run(office.ids(user_queue("alice"), 0)) == []
    assert asyncio.run(office.ids(DEAD_LETTERS, 4)) == ["m1", "m2", "m3", "m4"]


def test_a_letter_for_nobody_stays_and_is_counted(office: Office) -> None:
    asyncio.run(several(office))

    said = office.restante("dead-letters", "requeue", "--all")

    assert said.code == 1
    assert "1 dead letter left" in said.err
    assert asyncio.run(office.ids(DEAD_LETTERS, 1)) == ["m4"]
    assert asyncio.run(office.ids(UNROUTED, 1)) == ["m2"]


@both_queue_types
def test_forgetting_asks_first(office: Office) -> None:
    office.restante("publish", "alice", "1", "--count", "2")

    refused = office.restante("forget", "alice", answer="n\n")
    done = office.restante("forget", "alice", answer="y\n")

    assert refused.code == 1
    assert "lose 2 messages?" in refused.out + refused.err
    assert (done.code, "with 2 messages" in done.out) == (0, True)
    assert office.restante("forget", "alice", "--yes").err == "restante: alice has no queue: nothing to forget\n"


@both_queue_types
def test_a_user_with_a_session_is_forgotten_only_by_force(office: Office) -> None:
    office.restante("publish", "alice", "1")

    async def meanwhile(channel: AbstractChannel) -> list[Said]:
        async def keep(_: object) -> None:
            pass

        await channel.basic_consume(user_queue("alice"), keep)
        words = (("forget", "alice", "--yes"), ("forget", "alice", "--yes", "--force", "--json"))
        return [await asyncio.to_thread(office.restante, *line) for line in words]

    refused, forced = asyncio.run(office.with_channel(meanwhile))

    assert refused.code == 1
    assert "has a session" in refused.err
    assert (forced.code, forced.lines[0]["user"]) == (0, "alice")
    assert "does not exist" in office.restante("inspect", "alice").out


async def several(office: Office) -> None:
    await office.bury("m1")
    await office.bury("m2", user="bob", reason="unconfirmed")
    await office.bury("m3", reason="unconfirmed")
    await office.bury("m4", user="no/body", reason="bad_user")
