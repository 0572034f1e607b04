"""What `restante inspect` shows without a user: which dispatcher owns which partitions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType

from shared.cli.link import broker
from shared.cli.management import Management, Silent
from shared.cli.printing import Json, cells, facts, plural, table
from shared.cli.surroundings import CommandSettings
from shared.names import CENSUS, DEAD_LETTERS, PARTITIONS, UNROUTED, dispatcher_inbox, sessions_queue

COLUMNS = "name,single_active_consumer_tag,messages_unacknowledged"
_DISPATCHER = dispatcher_inbox("")
SESSIONS = sessions_queue(0).removesuffix("0")


@dataclass(slots=True)
class Share:
    """What one dispatcher owns. `leases` may be some seconds old."""

    partitions: list[int] = field(default_factory=list)
    leases: int = 0


@dataclass(slots=True)
class Overview:
    """None where nobody could tell. `management` says why the management API could not."""

    dispatchers: int | None = None
    unrouted: int | None = None
    dead_letters: int | None = None
    owners: dict[str, Share] = field(default_factory=dict)
    management: str | None = None

    @property
    def unowned(self) -> list[int]:
        owned = {partition for share in self.owners.values() for partition in share.partitions}
        return [partition for partition in range(PARTITIONS) if partition not in owned]

    def answer(self) -> Json:
        owners = [{"dispatcher": name, "partitions": s.partitions, "leases": s.leases} for name, s in self._ranked()]
        return {
            "dispatchers": self.dispatchers,
            "unrouted": self.unrouted,
            "dead_letters": self.dead_letters,
            "owners": owners,
            "unowned": None if self.management else self.unowned,
            "management": self.management,
        }

    def shown(self) -> RenderableType:
        never = "never ran here" if self.dispatchers is None else plural(self.dispatchers, "dispatcher")
        rows = [("dispatchers", never)]
        if self.unrouted:
            rows.append(("unrouted", f"{plural(self.unrouted, 'message')} of new users wait for a dispatcher"))
        if self.dead_letters:
            rows.append(("dead-letters", plural(self.dead_letters, "message")))
        if self.management is not None:
            return facts(*rows, ("unknown", f"who owns which partitions: {self.management}"))
        if self.unowned:
            rows.append(("unowned", f"{ranges(self.unowned)} (what is seen here may be some seconds old)"))
        grid = table("dispatcher", "-partitions", "-leases", "~which")
        for name, share in self._ranked():
            grid.add_row(*cells(name, len(share.partitions), share.leases, ranges(share.partitions)))
        return Group(facts(*rows), grid) if self.owners else facts(*rows)

    def _ranked(self) -> list[tuple[str, Share]]:
        return sorted(self.owners.items())


def ranges(numbers: Iterable[int]) -> str:
    """`0-3, 7` for 0, 1, 2, 3 and 7."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


async def look(config: CommandSettings) -> Overview:
    found = Overview()
    async with broker(config, "inspect") as link:
        if (census := await link.depth(CENSUS)) is not None:
            found.dispatchers = census.consumers
        if (unrouted := await link.depth(UNROUTED)) is not None:
            found.unrouted = unrouted.ready
        if (dead := await link.depth(DEAD_LETTERS)) is not None:
            found.dead_letters = dead.ready
    async with Management(config.management_url, config.virtual_host) as management:
        try:
            told = {queue["name"]: queue for queue in await management.queues(SESSIONS, COLUMNS)}
        except Silent as err:
            found.management = str(err)
            return found
    found.owners = owners(told).owners
    return found


def owners(told: Mapping[str, Mapping[str, Any]]) -> Overview:
    """Who owns which partitions, from what the management API tells of the queues, by name."""
    found = Overview()
    for partition in range(PARTITIONS):
        queue = told.get(sessions_queue(partition), {})
        tag = queue.get("single_active_consumer_tag") or ""
        if tag.startswith(_DISPATCHER):
            share = found.owners.setdefault(tag.removeprefix(_DISPATCHER), Share())
            share.partitions.append(partition)
            share.leases += queue.get("messages_unacknowledged") or 0
    return found
