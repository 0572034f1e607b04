"""What `restante top` shows: a moment of the whole system, made of what RabbitMQ tells, and its picture. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shared.cli.owners import Share
from shared.cli.printing import Json, cells, plural, table, visible
from shared.names import gateway_inbox, is_user_id, user_queue

Told = Mapping[str, Any]

USERS, GATEWAYS = user_queue(""), gateway_inbox("")
COUNTERS = ("publish", "deliver", "ack")
USER_COLUMNS = (
    "name,messages_ready,messages_unacknowledged,consumers,"
    + ",".join(f"message_stats.{counter}_details.rate" for counter in COUNTERS)
).split(",")
MOST_GATEWAYS = 50
"""Each is one more question to RabbitMQ."""


def rate(told: Told, counter: str) -> float:
    """Per second, as RabbitMQ reckons it; a queue without traffic has none."""
    stats = told.get("message_stats")
    details = stats.get(f"{counter}_details") if isinstance(stats, Mapping) else None
    return float(details.get("rate") or 0.0) if isinstance(details, Mapping) else 0.0


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user's queue. Rates per second: `published` into it, `sent` to clients, `acked` once they confirmed."""

    user: str
    ready: int
    unacked: int
    served: bool
    published: float
    sent: float
    acked: float

    @classmethod
    def of(cls, told: Told) -> "UserRow":
        numbers = (told.get("messages_ready") or 0, told.get("messages_unacknowledged") or 0)
        rates = (rate(told, counter) for counter in COUNTERS)
        return cls(str(told["name"]).removeprefix(USERS), *numbers, bool(told.get("consumers")), *rates)


@dataclass(frozen=True, slots=True)
class GatewayRow:
    """`inbox`: batches that wait to be taken by it; more than a few means that it is in trouble."""

    gateway: str
    address: str
    inbox: int
    batches: float

    @classmethod
    def of(cls, told: Told) -> "GatewayRow":
        owner = told.get("owner_pid_details") or {}
        address = f"{owner.get('peer_host', '?')}:{owner.get('peer_port', '?')}"
        batches = rate(told, "deliver") + rate(told, "deliver_no_ack")
        return cls(str(told["name"]).removeprefix(GATEWAYS), address, told.get("messages") or 0, batches)


@dataclass(slots=True)
class Moment:
    """None where nobody could tell. `management` says why the management API could not."""

    broker: str = ""
    dispatchers: int | None = None
    unrouted: int | None = None
    dead_letters: int | None = None
    users: int | None = None
    published: float | None = None
    rows: list[UserRow] = field(default_factory=list)
    gateways: list[GatewayRow] = field(default_factory=list)
    owners: dict[str, Share] = field(default_factory=dict)
    management: str | None = None

    def take_users(self, told: Iterable[Told], count: int) -> None:
        """`told` may name a queue twice; `count` is how many there are in all."""
        rows = {queue["name"]: UserRow.of(queue) for queue in told}
        known = [row for row in rows.values() if is_user_id(row.user)]
        self.rows = sorted(known, key=lambda row: (-(row.ready + row.unacked), -row.published - row.sent, row.user))
        self.users = count - (len(rows) - len(known))

    @property
    def whole(self) -> bool:
        """Whether the sums are of all users; of very many only the longest and the busiest are looked at."""
        return self.users is None or self.users <= len(self.rows)

    def answer(self, count: int) -> Json:
        told = self.management is None
        return {
            "broker": self.broker,
            "users": self.users,
            "waiting": sum(row.ready for row in self.rows) if told else None,
            "unacked": sum(row.unacked for row in self.rows) if told else None,
            "whole": self.whole if told else None,
            "rates": {"published": self.published, **self._rates()} if told else None,
            "dispatchers": self.dispatchers,
            "unrouted": self.unrouted,
            "dead_letters": self.dead_letters,
            "longest": [asdict(row) for row in self.rows[:count]],
            "owners": [
                {"dispatcher": name, "partitions": len(share.partitions), "leases": share.leases}
                for name, share in sorted(self.owners.items())
            ],
            "gateways": [asdict(row) for row in self.gateways] if told else None,
            "management": self.management,
        }

    def shown(self, count: int) -> RenderableType:
        parts: list[RenderableType] = [*self._head(), Text()]
        if self.management is not None:
            said = f"Users, gateways and rates are not known: {visible(self.management)}."
            where = "RABBITMQ_MANAGEMENT_URL says where RabbitMQ's management API is."
            return Group(*parts, Text(said, "yellow"), Text(where, "dim"))
        parts += [self._users(count), Text()]
        if self.owners:
            grid = table("~dispatcher", "-partitions", "-leases")
            for name, share in sorted(self.owners.items()):
                grid.add_row(*cells(name, len(share.partitions), f"{share.leases:,}"))
            parts += [grid, Text()]
        if self.gateways:
            grid = table("~gateway", "~from", "-inbox", "-batches/s")
            for row in self.gateways:
                grid.add_row(*cells(row.gateway, row.address, f"{row.inbox:,}", f"{row.batches:,.1f}"))
            parts.append(grid)
        return Group(*parts)

    def _head(self) -> list[Text]:
        known = "?" if self.dispatchers is None else f"{self.dispatchers:,}"
        services = [("dispatchers", known, "bold red" if not self.dispatchers else "bold")]
        if self.management is None:
            services.append(("gateways", f"{len(self.gateways):,}", "bold" if self.gateways else "bold red"))
            services.append(("leases", f"{sum(share.leases for share in self.owners.values()):,}", "bold"))
        for name, value in (("unrouted", self.unrouted), ("dead letters", self.dead_letters)):
            services.append((name, "?" if value is None else f"{value:,}", "bold yellow" if value else "bold"))
        head = [Text(visible(self.broker), "bold"), _line(services)]
        if self.management is None:
            rates, more = self._rates(), "" if self.whole else "≥ "
            waiting, unacked = sum(row.ready for row in self.rows), sum(row.unacked for row in self.rows)
            users = [("users", f"{self.users:,}"), ("waiting", f"{more}{waiting:,}"), ("unacked", f"{more}{unacked:,}")]
            flow = [("published", f"{self.published or 0:,.1f}/s")]
            flow += [(name, f"{more}{rates[name]:,.1f}/s") for name in ("sent", "acked")]
            head += [_line([(name, value, "bold") for name, value in line]) for line in (users, flow)]
        return head

    def _rates(self) -> dict[str, float]:
        return {"sent": sum(row.sent for row in self.rows), "acked": sum(row.acked for row in self.rows)}

    def _users(self, count: int) -> Table:
        grid = table("~user", "-waiting", "-unacked", "-in/s", "-sent/s", "-acked/s", "served")
        for row in self.rows[:count]:
            rates = (f"{value:,.1f}" for value in (row.published, row.sent, row.acked))
            numbers = (f"{row.ready:,}", f"{row.unacked:,}")
            grid.add_row(*cells(row.user, *numbers, *rates, "yes" if row.served else "away"))
        if (left := (self.users or 0) - min(count, len(self.rows))) > 0:
            grid.add_row(Text(f"… and {plural(left, 'user')} more", "dim"))
        return grid


def _line(parts: list[tuple[str, str, str]]) -> Text:
    line = Text(overflow="fold")
    for name, value, style in parts:
        line.append(f"{name} ", "dim").append(value, style).append("   ")
    line.rstrip()
    return line
