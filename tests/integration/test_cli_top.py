"""`restante top` against a real broker: one moment for scripts, and a picture for a person until Ctrl-C."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiormq.abc import AbstractChannel

from shared.names import CENSUS
from tests.support.office import Office
from tests.support.terminal import Terminal

pytestmark = pytest.mark.timeout(300)  # processes and brokers start slowly on a loaded machine


def moment(office: Office, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The first that is so: RabbitMQ's statistics are some seconds behind."""
    deadline = time.monotonic() + 60
    while True:
        said = office.restante("top", "--once", "--json")
        assert said.code == 0, said
        [told] = said.lines
        if until(told):
            return dict(told)
        assert time.monotonic() < deadline, told


def test_one_moment_tells_queues_services_and_rates(office: Office) -> None:
    office.restante("publish", "alice", "1", "--count", "3")
    asyncio.run(office.bury("m1"))

    told = moment(office, lambda told: told["waiting"] == 3)

    assert [(row["user"], row["ready"], row["served"]) for row in told["longest"]] == [("alice", 3, False)]
    assert (told["users"], told["whole"], told["dispatchers"], told["dead_letters"]) == (1, True, 0, 1)
    assert set(told["rates"]) == {"published", "sent", "acked"}
    assert told["broker"].startswith("RabbitMQ ")
    shown = office.restante("top")
    assert shown.code == 0  # where stdout is no terminal it ends by itself
    assert "alice" in shown.out


def test_dispatchers_and_gateways_are_seen(office: Office) -> None:
    async def serve(channel: AbstractChannel) -> dict[str, Any]:
        async def keep(_: object) -> None:
            pass

        await channel.queue_declare("gateway.00ff", exclusive=True)
        await channel.basic_consume("gateway.00ff", keep, no_ack=True)
        await channel.basic_consume("sessions.7", keep, consumer_tag="dispatcher.ab12")
        await channel.basic_consume(CENSUS, keep)
        return await asyncio.to_thread(moment, office, lambda told: bool(told["gateways"] and told["owners"]))

    told = asyncio.run(office.with_channel(serve))

    assert told["dispatchers"] == 1
    assert told["owners"] == [{"dispatcher": "ab12", "partitions": 1, "leases": 0}]
    assert [gateway["gateway"] for gateway in told["gateways"]] == ["00ff"]


def test_without_the_management_api_it_shows_what_amqp_tells(office: Office) -> None:
    office.environment["RABBITMQ_MANAGEMENT_URL"] = "http://guest:hidden@127.0.0.1:1/"
    asyncio.run(office.bury("m1"))

    said = office.restante("top", "--once")

    assert said.code == 0
    assert "dead letters 1" in said.out
    assert "http://127.0.0.1:1 does not answer" in said.out
    assert "hidden" not in said.out + said.err


async def test_ctrl_c_ends_the_picture_and_gives_the_terminal_back(office: Office) -> None:
    with Terminal("top", "--every", "500ms", **office.environment) as terminal:
        await terminal.shows("user")
        await terminal.shows("alice")
        code = await terminal.ctrl_c()
        written = terminal.written

    assert code == 0
    assert "\x1b[?1049h" in written
    assert written.index("\x1b[?1049h") < written.index("\x1b[?1049l")  # the screen as it was before
    assert "Traceback" not in written
    assert "Error" not in written


async def test_json_goes_on_a_line_for_each_moment_until_ctrl_c(office: Office) -> None:
    with Terminal("top", "--every", "200ms", "--json", **office.environment) as terminal:
        await terminal.shows("}\r\n{")
        code = await terminal.ctrl_c()
        written = terminal.written

    assert code == 0
    whole = written.rpartition("\r\n")[0].splitlines()
    assert {json.loads(line)["dispatchers"] for line in whole} == {0}


async def test_a_broker_that_is_away_is_told_and_tried_again(office: Office) -> None:
    office.environment["BROKER_URL"] = "amqp://guest:hidden@127.0.0.1:1/"

    with Terminal("top", "--every", "200ms", **office.environment) as terminal:
        await terminal.shows("no broker")
        code = await terminal.ctrl_c()
        written = terminal.written

    assert code == 0
    assert "hidden" not in written


def test_one_moment_of_a_broker_that_is_away_ends_with_4(office: Office) -> None:
    office.environment["BROKER_URL"] = "amqp://guest:hidden@127.0.0.1:1/"

    assert office.restante("top", "--once").code == 4
