"""`restante dead-letters requeue` that cannot go on: it says at which letter, and what it has done by then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pamqp.commands import Basic

from shared.cli import dead_letters
from shared.cli.letters import Letter
from shared.publish import Nacked, Unanswered
from tests.support.command import typed


def letter(number: int, user: str) -> Letter:
    return Letter(number, user, "refused", "", 1, b"{}", Basic.Properties(message_id=f"m{number}"))


class Office:
    """A broker that takes no message for bob."""

    def __init__(self, err: Exception) -> None:
        self.acked: list[int] = []
        self._err = err

    async def channel(self) -> "Office":
        return self

    publisher = channel

    async def close(self) -> None:
        """Answered."""

    async def basic_ack(self, tag: int) -> None:
        self.acked.append(tag)

    async def publish(self, *_: object, routing_key: str, **__: object) -> None:
        if routing_key == "bob":
            raise self._err


@pytest.mark.parametrize(("err", "code"), [(Nacked("the queue is full"), 1), (Unanswered("no confirm"), 4)])
def test_it_names_the_letter_that_was_not_taken_and_what_was(
    err: Exception, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(err)

    @asynccontextmanager
    async def broker(*_: object) -> AsyncIterator[Any]:
        yield office

    async def total(*_: object) -> int:
        return 3

    async def read(*_: object) -> AsyncIterator[Letter]:
        for number, user in enumerate(("alice", "bob", "alice"), start=1):
            yield letter(number, user)

    for name, fake in (("broker", broker), ("total", total), ("read", read)):
        monkeypatch.setattr(dead_letters, name, fake)

    said = typed("dead-letters", "requeue", "--all", "--json")

    assert said.code == code
    assert [line["id"] for line in said.lines] == ["m1"]
    assert said.err == f"1 dead letter requeued.\nrestante: stopped at m2 for bob: {err}\n"
    assert office.acked == [1]
