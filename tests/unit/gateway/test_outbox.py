"""What the gateway tells dispatchers of outcomes: in order for each inbox, together what piled up meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from gateway.outbox import OUTCOMES_TOGETHER, OUTCOMES_UNDER_WAY, Outbox
from shared.alarm import Alarm
from shared.numbered import Speaker
from shared.wire import Outcome, OutcomeKind, decode_outcomes

ALL_TURNS = 10
"""Of the event loop: amply what it takes until nothing more happens by itself."""


class Broker:
    """Holds what is said to it once it `takes`."""

    def __init__(self) -> None:
        self.said: list[tuple[str, list[str]]] = []
        self.takes = asyncio.Event()

    async def say(self, to: str, body: bytes) -> bool:
        self.said.append((to, [outcome.message for outcome in decode_outcomes(body)]))
        await self.takes.wait()
        return False


@asynccontextmanager
async def telling(broker: Broker) -> AsyncIterator[Outbox]:
    outbox = Outbox(cast("Speaker", broker), cast("Speaker", broker), Alarm())
    running = asyncio.create_task(outbox.run_outcomes())
    yield outbox
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def outcome(message: str) -> Outcome:
    return Outcome("alice", message, "s1", OutcomeKind.CONFIRMED)


async def turns() -> None:
    for _ in range(ALL_TURNS):
        await asyncio.sleep(0)


async def test_what_piles_up_while_enough_is_under_way_goes_together_and_in_order() -> None:
    broker = Broker()
    async with telling(broker) as outbox:
        for number in range(OUTCOMES_UNDER_WAY):
            outbox.report("dispatcher.a", outcome(f"m{number}"))
            await turns()
        for message in ("m7", "m8", "m9"):
            outbox.report("dispatcher.a", outcome(message))
            await turns()
        before = list(broker.said)

        broker.takes.set()
        await turns()

    assert before == [("dispatcher.a", [f"m{number}"]) for number in range(OUTCOMES_UNDER_WAY)]
    assert broker.said[len(before) :] == [("dispatcher.a", ["m7", "m8", "m9"])]


async def test_each_inbox_is_told_its_own_and_none_waits_behind_a_long_list_of_another() -> None:
    broker = Broker()
    broker.takes.set()
    async with telling(broker) as outbox:
        for number in range(OUTCOMES_TOGETHER + 1):
            outbox.report("dispatcher.a", outcome(f"a{number}"))
        outbox.report("dispatcher.b", outcome("b0"))
        await turns()

    assert [(to, len(messages)) for to, messages in broker.said] == [
        ("dispatcher.a", OUTCOMES_TOGETHER),
        ("dispatcher.b", 1),
        ("dispatcher.a", 1),
    ]
    assert broker.said[2][1] == [f"a{OUTCOMES_TOGETHER}"]


async def test_it_is_flushed_once_the_broker_has_all() -> None:
    broker = Broker()
    async with telling(broker) as outbox:
        outbox.report("dispatcher.a", outcome("m1"))
        flushing = asyncio.create_task(outbox.flushed())
        await turns()
        early = flushing.done()

        broker.takes.set()
        await turns()

        assert not early
        assert flushing.done()
