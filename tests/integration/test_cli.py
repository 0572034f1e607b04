"""The commands against a real broker: what they publish, show, put back and delete."""

import asyncio
from pathlib import Path

from aiormq.abc import AbstractChannel

from shared.names import CENSUS, UNROUTED, user_queue
from tests.support.command import Said, typed
from tests.support.office import Office, both_queue_types
from tests.support.terminal import Terminal


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


async def test_who_ends_the_wait_for_receipts_is_told_what_has_none(office: Office) -> None:
    with Terminal("publish", "alice", "1", "--count", "2", "--receipt", **office.environment) as terminal:
        await terminal.shows("waiting for what becomes of it")
        code = await terminal.ctrl_c()
        written = terminal.written

    assert code == 130
    assert "2 messages without a receipt" in written


def test_what_the_broker_does_not_take_is_no_lost_connection(office: Office) -> None:
    said = office.restante("publish", "alice", "1", "--ttl", "9999d")

    assert said.code == 1
    assert said.err.startswith("restante: the broker does not take it: invalid expiration '863913600000'")


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
