"""What a benchmark has found, for whoever runs it: one table for each question."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.bench.record import Record

WIDTH = 170
OURS = "restante"
SEVERAL = ("steady", "idle", "storm", "first contact")
"""Phases that are measured in several sizes."""


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    key: str
    form: str = "{:.0f}"
    compared: bool = False
    """Followed by how many times restante's figure it is, in the same run."""


CPU = (
    Column("gateway us", "gateway_us"),
    Column("dispatcher us", "dispatcher_us"),
    Column("broker us", "broker_us"),
)
SHARE = (
    Column("gateway %", "gateway_percent", "{:.1f}"),
    Column("dispatcher %", "dispatcher_percent", "{:.1f}"),
    Column("broker %", "broker_percent", "{:.1f}"),
)
LOAD = Column("clients %", "clients_percent")

TABLES: dict[str, tuple[str, tuple[Column, ...]]] = {
    "drain": (
        "Backlog: CPU for each delivery; `x`: how many times restante's figure, in the same run",
        (
            Column("deliveries/s", "per_second", "{:,.0f}", compared=True),
            Column("servers us", "servers_us", compared=True),
            Column("gateway us", "gateway_us"),
            Column("dispatcher us", "dispatcher_us"),
            Column("broker us", "broker_us", compared=True),
            Column("total us", "total_us", compared=True),
            LOAD,
        ),
    ),
    "steady": (
        "Steady rate: milliseconds since publishing; CPU for each delivery",
        (
            Column("received p50", "received_p50_ms", "{:.2f}", compared=True),
            Column("p99", "received_p99_ms", "{:.1f}", compared=True),
            Column("confirmed p50", "confirmed_p50_ms", "{:.2f}"),
            Column("p99", "confirmed_p99_ms", "{:.1f}"),
            Column("held p50", "held_p50_ms", "{:.2f}"),
            *CPU,
            Column("node us", "node_us"),
            LOAD,
            Column("publisher %", "publisher_percent"),
        ),
    ),
    "idle": (
        "Idle sessions: CPU for each login, kB for each session, CPU while nothing happens",
        (
            Column("all online s", "online_seconds", "{:.1f}"),
            Column("gateway login us", "gateway_login_us"),
            Column("dispatcher", "dispatcher_login_us"),
            Column("broker", "broker_login_us"),
            Column("gateway kB", "gateway_kb_each", "{:.1f}"),
            Column("dispatcher kB", "dispatcher_kb_each", "{:.1f}"),
            Column("broker kB", "broker_kb_each", "{:.1f}"),
            *SHARE,
        ),
    ),
    "storm": (
        "Storm: all are cut, a message comes for each, all return at once; seconds until they have it",
        (
            Column("first", "first_seconds", "{:.2f}"),
            Column("median", "median_seconds", "{:.2f}"),
            Column("last", "last_seconds", "{:.2f}"),
            Column("last online", "last_online_seconds", "{:.2f}"),
            Column("tried again", "tried_again"),
            Column("timeouts", "timeouts"),
            *CPU,
            Column("gateway kB after", "gateway_kb_each", "{:.1f}"),
            Column("gateway % at rest", "rest_gateway_percent", "{:.1f}"),
        ),
    ),
    "first contact": (
        "First contact: users without a queue connect while a message comes for each",
        (
            Column("first s", "first_seconds", "{:.2f}"),
            Column("median s", "median_seconds", "{:.2f}"),
            Column("last s", "last_seconds", "{:.2f}"),
            *CPU,
            *SHARE,
        ),
    ),
    "scale out": (
        "Dispatchers + gateways: CPU for each delivery of all together, and the busiest one's part of it",
        (
            Column("deliveries/s", "per_second", "{:,.0f}"),
            *CPU,
            Column("busiest gateway us", "busiest_gateway_us"),
            Column("busiest dispatcher us", "busiest_dispatcher_us"),
            Column("with a core each /s", "with_a_core_each_per_second", "{:,.0f}"),
            LOAD,
        ),
    ),
    "absent users": (
        "Queues of users who are away: the same backlog beside them",
        (Column("deliveries/s", "per_second", "{:,.0f}"), *CPU, Column("broker MB", "broker_mb"), LOAD),
    ),
    "costs": (
        "What parts of it cost: the same backlog without one of them",
        (Column("deliveries/s", "per_second", "{:,.0f}"), Column("servers us", "servers_us"), *CPU, LOAD),
    ),
}


def show(record: Record) -> None:
    console = Console(width=WIDTH)
    for phase, (title, columns) in TABLES.items():
        _table(console, record, phase, title, columns)
    for line in record.wrong():
        console.print(f"[red]not as it should be: {line}[/red]")


def _table(console: Console, record: Record, phase: str, title: str, columns: tuple[Column, ...]) -> None:
    rows = record.rows(phase)
    if not rows:
        return
    table = Table(title=title)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column.title, justify="right")
        if column.compared:
            table.add_column("x", justify="right")
    for found, system in rows:
        figures = []
        for column in columns:
            figures.append(_shown(record.median(found, system, column.key), column.form))
            if column.compared:
                figures.append(_shown(record.ratio(found, system, OURS, column.key), "{:.2f}"))
        table.add_row(f"{found}, {system}" if phase in SEVERAL else system, *figures)
    console.print(table)


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
