"""`restante publish --file` against a real broker: every line arrives in its order, or is named."""

import asyncio
from pathlib import Path

import orjson
import pytest
from aiormq.abc import AbstractChannel, ArgumentsType

from shared import topology
from shared.names import UNROUTED, user_queue
from tests.support.command import typed
from tests.support.office import Office
from tests.support.terminal import Terminal

pytestmark = pytest.mark.timeout(300)  # processes and brokers start slowly on a loaded machine

MORE_THAN_ONE_WINDOW = 1200


def written(folder: Path, *lines: object) -> Path:
    path = folder / "messages.jsonl"
    path.write_bytes(b"".join(line if isinstance(line, bytes) else orjson.dumps(line) + b"\n" for line in lines))
    return path


def test_every_line_arrives_in_the_order_of_the_file(office: Office, tmp_path: Path) -> None:
    lines = [{"user": "alice", "data": number, "id": f"m{number}"} for number in range(MORE_THAN_ONE_WINDOW)]
    written(tmp_path, *lines)

    said = office.restante("publish", "--file", "messages.jsonl", "--json")

    assert said.code == 0
    assert [line["line"] for line in said.lines] == list(range(1, MORE_THAN_ONE_WINDOW + 1))
    assert {line["fate"] for line in said.lines} == {"held"}
    told = asyncio.run(office.take(user_queue("alice"), MORE_THAN_ONE_WINDOW))
    assert [body for body, _ in told] == [b"%d" % number for number in range(MORE_THAN_ONE_WINDOW)]


def test_lines_come_from_stdin_too_and_take_what_they_lack_from_the_command(office: Office) -> None:
    lines = '{"data": {"a": 1.0}}\n\n{"text": "hi", "type": "own", "ttl": 5}\n{"user": "carol", "data": 3}\n'

    said = office.restante("publish", "alice", "--file", "-", "--id", "f", "--type", "sms", "--ttl", "1h", answer=lines)

    assert (said.code, said.out) == (0, "The broker holds 3 messages.\n")
    [(first, how), (second, otherwise)] = asyncio.run(office.take(user_queue("alice"), 2))
    assert (first, how.message_id, how.message_type, how.expiration) == (b'{"a": 1.0}', "f-1", "sms", "3600000")
    assert (second, otherwise.message_id, otherwise.message_type, otherwise.expiration) == (b"hi", "f-3", "own", "5000")
    assert asyncio.run(office.ids(UNROUTED, 1)) == ["f-4"]


def test_one_bad_line_and_nothing_is_sent(office: Office, tmp_path: Path) -> None:
    good = {"user": "alice", "data": 1}
    written(tmp_path, good, b'{"user": "alice", "data": \n', good, {"user": "a/b", "data": 1})

    said = office.restante("publish", "--file", "messages.jsonl")

    assert said.code == 2
    assert "line 2: " in said.err
    assert "line 4: 'a/b' is no user id" in said.err
    assert "nothing was published: 2 of 4 lines cannot be" in said.err
    assert asyncio.run(office.ids(user_queue("alice"), 0)) == []


def test_it_stops_at_a_line_that_the_broker_refuses_and_tells_what_it_holds(office: Office, tmp_path: Path) -> None:
    async def small(channel: AbstractChannel) -> None:
        arguments: ArgumentsType = {"x-max-length": 2, "x-overflow": "reject-publish", "x-single-active-consumer": True}
        await channel.queue_declare(user_queue("dave"), durable=True, arguments=arguments)
        await topology.bind_user(channel, "dave")

    asyncio.run(office.with_channel(small))
    written(tmp_path, *({"user": "dave", "data": number} for number in range(MORE_THAN_ONE_WINDOW)))

    said = office.restante("publish", "--file", "messages.jsonl", "--id", "f", "--json")

    assert said.code == 1
    held = [line["line"] for line in said.lines if line["fate"] == "held"]
    assert held[:2] == [1, 2]
    assert f"the broker holds {len(held)} of 1,200 messages" in said.err
    assert "0 unknown" in said.err
    assert asyncio.run(office.ids(user_queue("dave"), len(held))) == [f"f-{line}" for line in held]


def test_where_no_dispatcher_ever_ran_nothing_is_held_and_it_says_so(broker_url: str, tmp_path: Path) -> None:
    path = written(tmp_path, {"user": "alice", "data": 1})

    said = typed("publish", "--file", str(path), BROKER_URL=broker_url)

    assert said.code == 1
    assert "line 1, for alice" in said.err
    assert "has a dispatcher ever run" in said.err
    assert "the broker holds 0 of 1 message" in said.err


async def test_a_person_sees_how_far_it_is(office: Office, tmp_path: Path) -> None:
    path = written(tmp_path, *({"user": "alice", "data": number} for number in range(MORE_THAN_ONE_WINDOW)))

    with Terminal("publish", "--file", str(path), **office.environment) as terminal:
        await terminal.shows("/1200")
        await terminal.shows("The broker holds 1,200 messages.")
        assert await terminal.ended() == 0
