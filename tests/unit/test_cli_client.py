"""What `restante listen` answers: python-socketio confirms with a handler's return value, whatever has happened."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import pytest

from shared.cli.client import Answer, Client


def client(answer: Answer, *, as_json: bool = True) -> Client:
    return Client("http://127.0.0.1:1", "/socket.io/", "/", token=str, answer=answer, seen=["m0"], as_json=as_json)


def arrives(listener: Client, message: str, gone: "asyncio.Future[str]") -> "asyncio.Task[Any]":
    return asyncio.create_task(listener._message(gone, {"id": message, "data": 1}))


@pytest.fixture
async def gone() -> "asyncio.Future[str]":
    """Resolved when the connection ends."""
    return asyncio.get_running_loop().create_future()


@contextmanager
def unread() -> Iterator[None]:
    """Stdout is a pipe that nobody reads any more, as behind `| head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as file, redirect_stdout(file):
        yield


async def settled(*handlers: "asyncio.Task[Any]") -> list[bool]:
    """Which of them have returned, once none can go on by itself."""
    await asyncio.wait(handlers, timeout=0.05)
    returned = [handler.done() for handler in handlers]
    for handler in handlers:
        handler.cancel()
    return returned


async def test_a_message_is_confirmed_with_the_value_and_counts_as_seen(gone: "asyncio.Future[str]") -> None:
    listener = client(Answer(value={"ok": True}))

    assert await arrives(listener, "m1", gone) == {"ok": True}

    assert list(listener._seen) == ["m0", "m1"]


async def test_a_refused_message_is_not_seen(gone: "asyncio.Future[str]") -> None:
    listener = client(Answer(refusal="no room"))

    assert await arrives(listener, "m1", gone) == {"error": "no room"}

    assert list(listener._seen) == ["m0"]


async def test_what_must_not_be_confirmed_never_returns(gone: "asyncio.Future[str]") -> None:
    listener = client(Answer(never=True))

    assert await settled(arrives(listener, "m1", gone)) == [False]

    assert (listener.received, listener.answered, list(listener._seen)) == (1, 0, ["m0"])


async def test_a_late_answer_to_a_connection_that_is_gone_is_not_given(gone: "asyncio.Future[str]") -> None:
    listener = client(Answer(after_seconds=60))
    waiting = arrives(listener, "m1", gone)

    gone.set_result("transport close")

    assert await settled(waiting) == [False]
    assert (listener.received, listener.answered, list(listener._seen)) == (0, 0, ["m0"])


async def test_what_was_shown_counts_as_received_although_it_was_stopped_before_the_answer(
    gone: "asyncio.Future[str]",
) -> None:
    listener = client(Answer(after_seconds=60))
    waiting = arrives(listener, "m1", gone)
    await asyncio.wait({waiting}, timeout=0)

    listener.stop()
    gone.set_result("client disconnect")

    assert await settled(waiting) == [False]
    assert (listener.received, listener.answered) == (1, 0)


@pytest.mark.parametrize("as_json", [True, False])
async def test_what_nobody_can_see_is_not_confirmed_and_ends_it(gone: "asyncio.Future[str]", *, as_json: bool) -> None:
    listener = client(Answer(), as_json=as_json)

    with unread():
        assert await settled(arrives(listener, "m1", gone), arrives(listener, "m2", gone)) == [False, False]

    assert listener._stop.is_set()
    assert listener._refused == "nothing more can be shown: Broken pipe"
    assert (listener.received, listener.answered, list(listener._seen)) == (0, 0, ["m0"])


async def test_what_comes_after_the_last_one_asked_for_is_neither_shown_nor_confirmed(
    gone: "asyncio.Future[str]", capsys: pytest.CaptureFixture[str]
) -> None:
    listener = client(Answer())
    listener._count = 1

    assert await settled(arrives(listener, "m1", gone), arrives(listener, "m2", gone)) == [True, False]

    assert listener._stop.is_set()
    assert "m1" in (shown := capsys.readouterr().out)
    assert "m2" not in shown
