"""The slim queue and flag, held to asyncio's: the same comes of whatever is done to both."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.slim import Fifo, Flag

STEPS = st.lists(
    st.sampled_from(["put", "take", "get", "get", "cancel first", "cancel last", "done", "join", "turn"]), max_size=25
)
FLAG_STEPS = st.lists(st.sampled_from(["set", "clear", "wait", "cancel first", "turn"]), max_size=20)


@settings(deadline=None)
@given(STEPS)
async def test_the_queue_gives_what_asyncios_gives(steps: list[str]) -> None:
    assert await _queue(Fifo(), steps) == await _queue(asyncio.Queue(), steps)


@settings(deadline=None)
@given(FLAG_STEPS)
async def test_the_flag_wakes_whom_asyncios_event_wakes(steps: list[str]) -> None:
    assert await _flag(Flag(), steps) == await _flag(asyncio.Event(), steps)


async def _queue(queue: Any, steps: list[str]) -> list[object]:
    seen: list[object] = []
    waiting: list[asyncio.Task[Any]] = []
    unfinished = 0
    for number, step in enumerate(steps):
        match step:
            case "put":
                queue.put_nowait(number)
                unfinished += 1
            case "take":
                try:
                    seen.append(queue.get_nowait())
                except asyncio.QueueEmpty:
                    seen.append("empty")
            case "get":
                waiting.append(asyncio.create_task(queue.get()))
            case "join":
                waiting.append(asyncio.create_task(queue.join()))
            case "done" if unfinished:
                queue.task_done()
                unfinished -= 1
            case "cancel first" if waiting:
                waiting[0].cancel()
            case "cancel last" if waiting:
                waiting[-1].cancel()
            case "turn":
                await _turns()
        seen.append((queue.empty(), queue.qsize()))
    await _turns()
    return [*seen, *await _ended(waiting)]


async def _flag(flag: Any, steps: list[str]) -> list[object]:
    seen: list[object] = []
    waiting: list[asyncio.Task[Any]] = []
    for step in steps:
        match step:
            case "set":
                flag.set()
            case "clear":
                flag.clear()
            case "wait":
                waiting.append(asyncio.create_task(flag.wait()))
            case "cancel first" if waiting:
                waiting[0].cancel()
            case "turn":
                await _turns()
        seen.append(flag.is_set())
    await _turns()
    return [*seen, *await _ended(waiting)]


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _ended(tasks: list[asyncio.Task[Any]]) -> list[object]:
    """What each came to; those that still wait are ended."""
    ends: list[object] = []
    for task in tasks:
        ends.append("waits" if not task.done() else "cancelled" if task.cancelled() else task.result())
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return ends
