"""`restante dead-letters` against a real broker: what is shown, put back and dropped, and that all else stays."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from shared.names import DEAD_LETTERS, UNROUTED, user_queue
from tests.support.office import Office, both_queue_types, several
from tests.support.services import ROOT
from tests.support.until import until

pytestmark = pytest.mark.timeout(300)  # processes and brokers start slowly on a loaded machine


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


def test_an_id_that_is_not_there_is_not_requeued(office: Office) -> None:
    asyncio.run(several(office))

    said = office.restante("dead-letters", "requeue", "--id", "typo")
    other = office.restante("dead-letters", "requeue", "--id", "m1", "--user", "bob", "--dry-run")

    assert (said.code, other.code) == (1, 1)
    assert "not among the dead letters: typo" in said.err
    assert asyncio.run(office.ids(DEAD_LETTERS, 4)) == ["m1", "m2", "m3", "m4"]


def test_a_letter_for_nobody_stays_and_is_counted(office: Office) -> None:
    asyncio.run(several(office))

    said = office.restante("dead-letters", "requeue", "--all")

    assert said.code == 1
    assert "1 dead letter left" in said.err
    assert asyncio.run(office.ids(DEAD_LETTERS, 1)) == ["m4"]
    assert asyncio.run(office.ids(UNROUTED, 1)) == ["m2"]


def test_a_part_of_a_message_stays_and_says_what_it_is(office: Office) -> None:
    numbers: dict[str, Any] = {"x-part": 2, "x-parts": 3}
    asyncio.run(office.bury("m1", reason="too_large", **numbers))

    said = office.restante("dead-letters", "requeue", "--all")
    shown = office.restante("dead-letters", "show", "m1")

    assert said.code == 1
    assert "1 dead letter left" in said.err
    assert "part 2 of 3" in shown.out
    assert asyncio.run(office.ids(DEAD_LETTERS, 1)) == ["m1"]


@both_queue_types
def test_showing_a_letter_tells_all_of_it_and_takes_nothing_away(office: Office) -> None:
    asyncio.run(several(office))

    shown = office.restante("dead-letters", "show", "m2")
    [told] = office.restante("dead-letters", "show", "m2", "--json").lines

    assert shown.code == 0
    for words in ("unconfirmed: no room", "bob", '"n": 1', "7 bytes, application/json", "header from"):
        assert words in shown.out
    assert (told["id"], told["user"], told["data"], told["bytes"]) == ("m2", "bob", {"n": 1}, 7)
    assert told["headers"]["reason"] == "unconfirmed"
    assert asyncio.run(office.ids(DEAD_LETTERS, 4)) == ["m1", "m2", "m3", "m4"]


def test_a_letter_that_is_not_there_is_not_shown(office: Office) -> None:
    said = office.restante("dead-letters", "show", "m9")

    assert said.code == 1
    assert "no dead letter has the id m9" in said.err


@both_queue_types
def test_dropping_takes_the_named_ones_and_leaves_the_others_in_their_order(office: Office) -> None:
    asyncio.run(several(office))

    said = office.restante("dead-letters", "drop", "m3", "m1", "--yes", "--json")

    assert said.code == 0
    assert [letter["id"] for letter in said.lines] == ["m1", "m3"]
    assert "2 dead letters dropped." in said.err
    assert asyncio.run(office.ids(DEAD_LETTERS, 2)) == ["m2", "m4"]


def test_all_with_a_reason_are_dropped_and_no_others(office: Office) -> None:
    asyncio.run(several(office))

    said = office.restante("dead-letters", "drop", "--all", "--reason", "unconfirmed", "--yes")

    assert said.code == 0
    assert asyncio.run(office.ids(DEAD_LETTERS, 2)) == ["m1", "m4"]


def test_nothing_is_dropped_before_somebody_said_yes(office: Office) -> None:
    asyncio.run(several(office))

    refused = office.restante("dead-letters", "drop", "m1", answer="n\n")
    assert refused.code == 1
    assert "Drop 1 dead letter for good?" in refused.out + refused.err

    assert office.restante("dead-letters", "drop", "m1", answer="y\n").code == 0
    assert asyncio.run(office.ids(DEAD_LETTERS, 3)) == ["m2", "m3", "m4"]


def test_an_id_that_is_not_there_is_named_and_the_others_are_dropped(office: Office) -> None:
    asyncio.run(several(office))

    said = office.restante("dead-letters", "drop", "m1", "m9", "--yes")

    assert said.code == 1
    assert "not among the dead letters: m9" in said.err
    assert asyncio.run(office.ids(DEAD_LETTERS, 3)) == ["m2", "m3", "m4"]


async def test_what_comes_while_somebody_thinks_is_not_dropped(office: Office, tmp_path: Path) -> None:
    await several(office)
    with Dropping(office, tmp_path, "--all") as dropping:
        await dropping.asked()
        await office.bury("m5")
        code = await dropping.answered("y")

        assert code == 0, dropping.wrote
    assert await office.ids(DEAD_LETTERS, 1) == ["m5"]


async def test_a_drop_that_is_killed_before_the_answer_loses_nothing(office: Office, tmp_path: Path) -> None:
    await several(office)
    with Dropping(office, tmp_path, "m1", "m2") as dropping:
        await dropping.asked()
        dropping.kill()

    assert await office.ids(DEAD_LETTERS, 4) == ["m1", "m2", "m3", "m4"]


class Dropping:
    """`restante dead-letters drop` as a process of its own, up to its question."""

    def __init__(self, office: Office, folder: Path, *words: str) -> None:
        self._log = folder / "drop.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from shared.cli import main; main()", "dead-letters", "drop", *words],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "COLUMNS": "100", **office.environment},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()

    @property
    def wrote(self) -> str:
        return self._log.read_text()

    async def asked(self) -> None:
        await until(lambda: "for good?" in self.wrote, lambda: self.wrote, 60)

    async def answered(self, word: str) -> int:
        await asyncio.to_thread(self._process.communicate, f"{word}\n".encode(), 60)
        return self._process.returncode

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()
