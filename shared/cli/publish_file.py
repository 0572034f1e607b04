"""`restante publish --file`: many messages at once, in the order of the file, and an account of each line.

It stops at the first line that the broker does not take, because a later message of the same user must not overtake
it. What was under way by then is waited for; each line is held, refused, unknown, or was not sent, and is named so.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pamqp.commands import Basic
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from shared.broker import BrokerAway
from shared.cli.failures import Exit, Failure
from shared.cli.lines import BadLine, Defaults, Outgoing, judged, opened
from shared.cli.link import broker, explained
from shared.cli.printing import note, out, plural, show_json, visible
from shared.cli.surroundings import CommandSettings
from shared.names import MESSAGES
from shared.publish import IN_FLIGHT, ConfirmedPublisher, PublishFailed, Unanswered

COMPLAINTS = 20
"""How many lines are named before the rest is only counted."""


class Fate(StrEnum):
    HELD = "held"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one line, and why."""

    fate: Fate
    detail: str = ""
    away: bool = False


def publish_file(config: CommandSettings, path: Path, defaults: Defaults, *, as_json: bool) -> None:
    """Raises `Failure` unless the broker holds every line's message."""
    try:
        with opened(path) as file:
            total = _checked(judged(file, defaults))
            file.seek(0)
            asyncio.run(_publish(config, judged(file, defaults), total, as_json=as_json))
    except OSError as err:
        raise Failure(f"cannot read {path}: {err.strerror or err}", Exit.USAGE) from err


def _checked(lines: Iterator[tuple[int, Outgoing | BadLine]]) -> int:
    """How many messages there are. Nothing is sent unless all lines are well."""
    good = bad = 0
    for number, found in lines:
        if isinstance(found, Outgoing):
            good += 1
            continue
        bad += 1
        if bad <= COMPLAINTS:
            note(f"line {number}: {found}", "red")
    if bad > COMPLAINTS:
        note(f"… and {plural(bad - COMPLAINTS, 'more line')}", "red")
    if bad:
        raise Failure(f"nothing was published: {bad:,} of {plural(good + bad, 'line')} cannot be", Exit.USAGE)
    return good


async def _publish(
    config: CommandSettings, lines: Iterator[tuple[int, Outgoing | BadLine]], total: int, *, as_json: bool
) -> None:
    account = Account(total, as_json=as_json)
    async with broker(config, "publish") as link:
        publisher = await link.publisher()
        under_way: deque[tuple[Outgoing, asyncio.Task[Told]]] = deque()
        with account.bar():
            try:
                for _, message in lines:
                    if isinstance(message, BadLine) or account.stopped:
                        break  # a file that changed meanwhile: what is not sent is counted
                    under_way.append((message, asyncio.create_task(_send(publisher, message))))
                    if len(under_way) == IN_FLIGHT:
                        await account.settle(under_way)
                while under_way and not account.stopped:
                    await account.settle(under_way)
            except asyncio.CancelledError:  # Ctrl-C: what is under way is still told
                account.stopped = True
            while under_way:
                await account.settle(under_way)
    account.close()


async def _send(publisher: ConfirmedPublisher, message: Outgoing) -> Told:
    properties = Basic.Properties(
        content_type=message.content_type,
        delivery_mode=2,
        message_id=message.id,
        message_type=message.type,
        timestamp=datetime.now(UTC),
        expiration=None if message.ttl is None else str(int(message.ttl * 1000)),
    )
    try:
        await publisher.publish(message.body, properties, exchange=MESSAGES, routing_key=message.user, mandatory=True)
    except Unanswered as err:
        return Told(Fate.UNKNOWN, f"{err} (a memory or disk alarm?)", away=True)
    except PublishFailed as err:
        return Told(Fate.REFUSED, str(err))
    except BrokerAway as err:
        failure = explained(err)
        away = failure.code is Exit.AWAY
        return Told(Fate.UNKNOWN if away else Fate.REFUSED, str(failure), away=away)
    return Told(Fate.HELD)


class Account:
    """Which lines the broker holds, told in the order of the file."""

    def __init__(self, total: int, *, as_json: bool) -> None:
        self.stopped = False
        self._total = total
        self._as_json = as_json
        self._counts = dict.fromkeys(Fate, 0)
        self._away = False
        self._progress = Progress(
            TextColumn("publishing"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._progress.add_task("publishing", total=total)

    def bar(self) -> Progress:
        return self._progress

    async def settle(self, under_way: deque[tuple[Outgoing, asyncio.Task[Told]]]) -> None:
        """Wait for the oldest."""
        message, task = under_way[0]
        told = await asyncio.shield(task)  # Ctrl-C ends the waiting, not the sending
        under_way.popleft()
        self._counts[told.fate] += 1
        self._progress.advance(self._task)
        if told.fate is not Fate.HELD:
            self.stopped = True
            failed = self._counts[Fate.REFUSED] + self._counts[Fate.UNKNOWN]
            if failed == 1:
                self._away = told.away  # what came after may only be what this one led to
            if failed <= COMPLAINTS:
                note(f"line {message.line}, for {message.user}: {told.detail}", "red")
        if self._as_json:
            line = {"line": message.line, "id": message.id, "user": message.user, "bytes": len(message.body)}
            show_json({**line, "fate": told.fate.value, "detail": told.detail})

    def close(self) -> None:
        """Says how it ended. Raises `Failure` unless the broker holds all."""
        held, refused, unknown = (self._counts[fate] for fate in Fate)
        if held == self._total:
            if not self._as_json:
                out().print(Text(f"The broker holds {visible(plural(held, 'message'))}."), soft_wrap=True)
            return
        unsent = self._total - held - refused - unknown
        raise Failure(
            f"the broker holds {held:,} of {plural(self._total, 'message')}; {refused:,} refused, {unknown:,} unknown, "
            f"{unsent:,} not sent. To send a line twice is harmless if it has an id of its own (or with --id)",
            Exit.AWAY if self._away else Exit.NOT_DONE,
        )
