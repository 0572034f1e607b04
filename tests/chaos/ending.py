"""After a chaos run: wait until all is well, see that nothing is left anywhere, and count."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from shared.names import DEAD_LETTERS, user_queue
from tests.chaos.stage import VHOST, Stage
from tests.support.history import Buried
from tests.support.judge import judge
from tests.support.publisher import Publisher

PATIENCE_SECONDS = 150.0
STEP_SECONDS = 0.5


async def drained(stage: Stage, patience_seconds: float = PATIENCE_SECONDS) -> list[str]:
    """Heals everything, and waits so long for each: what was not as it should be in the end, nothing if all is well.

    Where something is not, nobody waits for what comes after it.
    """
    await stage.heal()
    stage.publishing = False
    complaints: list[str] = []

    async def come(wanted: Callable[[], Awaitable[str]]) -> None:
        deadline = stage.timeline.now + patience_seconds
        while said := await wanted():
            if complaints or stage.timeline.now > deadline:
                complaints.append(said)
                return
            await asyncio.sleep(STEP_SECONDS)

    await asyncio.gather(*(post.service.ready(seconds=PATIENCE_SECONDS) for post in stage.posts))
    await come(lambda: _all_came(stage))
    await come(lambda: _sessions(stage, len(stage.devices)))
    for device in stage.devices:
        await device.end()
    await come(lambda: _sessions(stage, 0))
    await come(lambda: _queues(stage))
    await _dig_up(stage)
    return complaints


async def _all_came(stage: Stage) -> str:
    lost = sorted(judge(stage.timeline).lost)
    away = [device.name for device in stage.devices if not device.connected]
    return f"{len(lost)} messages did not come: {lost[:5]}, not connected: {away}" if lost or away else ""


async def _sessions(stage: Stage, wanted: int) -> str:
    """No session is missing, and none is a ghost."""

    async def total(metric: str) -> float:
        return sum([await post.service.metric(metric) for post in stage.dispatchers])

    known, in_flight = await total("restante_sessions"), await total("restante_in_flight")
    if (known, in_flight) == (wanted, 0):
        return ""
    return f"dispatchers know {known:.0f} sessions, not {wanted}, with {in_flight:.0f} messages in flight"


async def _queues(stage: Stage) -> str:
    """By the management API, whose figures are some seconds old."""
    try:
        queues: Any = await stage.manage("GET", f"/api/queues/{VHOST}")
    except OSError as err:
        return str(err)
    users = {user_queue(device.user) for device in stage.devices}
    left = [
        f"{queue['name']}: {queue.get('messages')} messages, {queue.get('consumers')} consumers"
        for queue in queues
        if (queue["name"] in users and (queue.get("messages", 1) or queue.get("consumers", 1)))
        or (queue["name"].startswith("sessions.") and queue.get("messages", 1))
    ]
    inboxes = sum(queue["name"].startswith(("gateway.", "dispatcher.")) for queue in queues)
    if inboxes > len(stage.posts) + 1:  # one of the latter is the census
        left.append(f"{inboxes} inboxes for {len(stage.posts)} services")
    return "; ".join(left)


async def _dig_up(stage: Stage) -> None:
    """Notes what is in `dead-letters`."""
    async with Publisher(stage.url) as reader:
        assert reader._channel is not None
        queue = await reader._channel.get_queue(DEAD_LETTERS, ensure=False)
        while (letter := await queue.get(no_ack=True, fail=False)) is not None:
            stage.timeline.append(Buried(str(letter.headers.get("user")), str(letter.message_id)))
