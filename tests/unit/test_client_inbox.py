"""The Python client's inbox: what is handed out, and where answers go."""

from dataclasses import dataclass, field

import pytest

from shared.client.inbox import Inbox
from shared.client.message import Message


@dataclass
class Callback:
    """Of a connection that is over once `over` is set."""

    answers: list[object] = field(default_factory=list)
    over: bool = False

    def answer(self, value: object) -> bool:
        if not self.over:
            self.answers.append(value)
        return not self.over


def inbox(*seen: str) -> Inbox:
    return Inbox(seen, lambda _: None)


def arrive(box: Inbox, message: str) -> Callback:
    callback = Callback()
    box.arrive({"id": message, "data": 1}, callback)
    return callback


def taken(box: Inbox) -> Message:
    message = box.next()
    assert message is not None
    return message


async def test_a_message_is_answered_where_it_came_from() -> None:
    box = inbox()
    callback = arrive(box, "m1")

    await taken(box).confirm({"n": 1})

    assert callback.answers == [{"n": 1}]
    assert box.seen == ["m1"]


async def test_what_was_handled_is_confirmed_and_not_handed_out_again() -> None:
    box = inbox("m1")

    callback = arrive(box, "m1")

    assert callback.answers == [None]
    assert box.next() is None


async def test_a_message_that_comes_again_while_it_is_handled_is_answered_at_its_newest_callback() -> None:
    box = inbox()
    first = arrive(box, "m1")
    message = taken(box)
    first.over = True
    box.lost()

    second = arrive(box, "m1")
    await message.confirm()

    assert (first.answers, second.answers) == ([], [None])
    assert box.next() is None


async def test_a_message_that_was_passed_over_is_handed_out_again_and_a_late_answer_settles_both() -> None:
    box = inbox()
    arrive(box, "m1").over = True
    message = taken(box)
    assert box.next() is None
    box.lost()
    second = arrive(box, "m1")

    await message.refuse("late")

    assert box.next() is None
    assert second.answers == [{"error": "late"}]


async def test_a_deferred_message_is_not_handed_out_again() -> None:
    box = inbox()
    arrive(box, "m1")
    message = taken(box)
    message.defer()
    assert box.next() is None
    box.lost()

    second = arrive(box, "m1")

    assert box.next() is None
    await message.confirm()
    assert second.answers == [None]


async def test_a_value_whose_connection_is_over_waits_for_the_message_to_come_again() -> None:
    box = inbox()
    arrive(box, "m1").over = True
    await taken(box).confirm("value")
    assert box.seen == []

    assert arrive(box, "m1").answers == ["value"]
    assert box.seen == ["m1"]


async def test_a_refused_message_is_not_seen_so_that_it_can_be_requeued() -> None:
    box = inbox()
    arrive(box, "m1")
    await taken(box).refuse("no")

    arrive(box, "m1")

    assert box.seen == []
    assert taken(box).id == "m1"


async def test_what_was_not_handed_out_when_the_connection_ended_comes_again_once() -> None:
    box = inbox()
    arrive(box, "m1")
    box.lost()
    arrive(box, "m1")

    assert taken(box).id == "m1"
    assert box.next() is None


async def test_a_note_that_cannot_be_kept_confirms_nothing() -> None:
    def full(_: list[str]) -> None:
        raise OSError("no space left")

    box = Inbox([], full)
    callback = arrive(box, "m1")

    with pytest.raises(OSError, match="no space"):
        await taken(box).confirm()

    assert callback.answers == []
    assert box.seen == []


async def test_only_the_last_256_are_remembered() -> None:
    box = inbox()
    for number in range(300):
        arrive(box, f"m{number}")
        await taken(box).confirm()

    assert box.seen == [f"m{number}" for number in range(44, 300)]


@pytest.mark.parametrize("value", [{"error": "x"}, {1, 2}, object()])
async def test_a_value_that_is_none_confirms_nothing(value: object) -> None:
    box = inbox()
    callback = arrive(box, "m1")
    message = taken(box)

    with pytest.raises((TypeError, ValueError)):
        await message.confirm(value)

    assert callback.answers == []
    assert not message.answered
