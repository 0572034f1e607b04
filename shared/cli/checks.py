"""What `restante doctor` makes of the broker: each fact judged, with what is to be done about it. No I/O.

A fact is what RabbitMQ's management API tells, as it tells it; so a word that it does not say is no reason to fail.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared.cli.printing import plural
from shared.names import (
    CENSUS,
    DEAD_LETTERS,
    DISPATCHERS_EXCHANGE,
    GATEWAYS_EXCHANGE,
    MESSAGES,
    PARTITIONS,
    RECEIPTS,
    SESSIONS_EXCHANGE,
    UNROUTED,
    UNROUTED_EXCHANGE,
    sessions_queue,
)

Told = Mapping[str, Any]

OLDEST, NEWEST = (3, 10), (4, 99)
SKEW_WARNS_SECONDS, SKEW_FAILS_SECONDS = 5.0, 60.0

EXCHANGES = {
    MESSAGES: "direct",
    UNROUTED_EXCHANGE: "fanout",
    DEAD_LETTERS: "fanout",
    RECEIPTS: "direct",
    SESSIONS_EXCHANGE: "direct",
    GATEWAYS_EXCHANGE: "direct",
    DISPATCHERS_EXCHANGE: "direct",
}
QUEUES = (UNROUTED, DEAD_LETTERS, CENSUS, *(sessions_queue(partition) for partition in range(PARTITIONS)))
BINDINGS = {UNROUTED_EXCHANGE: {UNROUTED}, DEAD_LETTERS: {DEAD_LETTERS}, SESSIONS_EXCHANGE: set(QUEUES[3:])}

MAKE_THEM = "start a dispatcher: it makes what is missing"


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """`remedy`: what to do about it; empty where there is nothing to do."""

    name: str
    state: State
    said: str
    remedy: str = ""


def ok(name: str, said: str) -> Check:
    return Check(name, State.OK, said)


def warn(name: str, said: str, remedy: str) -> Check:
    return Check(name, State.WARN, said, remedy)


def fail(name: str, said: str, remedy: str) -> Check:
    return Check(name, State.FAIL, said, remedy)


def number_of(version: str) -> tuple[int, int] | None:
    """`(4, 0)` for `4.0.5`. None: it cannot be told."""
    parts = version.split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit() else None


def version(product: str, told: str) -> Check:
    found = number_of(told)
    if product != "RabbitMQ" or found is None:
        return warn("version", f"{product or 'this broker'} {told}", "only RabbitMQ 3.10 to 4.x has been tried")
    if found < OLDEST:
        return fail("version", f"RabbitMQ {told} is too old", "upgrade to 3.10 or newer")
    if found > NEWEST:
        return warn("version", f"RabbitMQ {told} is newer than what has been tried", "read its release notes first")
    return ok("version", f"RabbitMQ {told}")


def clock(whose: str, ahead_seconds: float) -> Check:
    """How far the other clock is before ours. HTTP tells whole seconds only."""
    skew = abs(ahead_seconds)
    said = f"{whose} is {skew:.0f} s {'before' if ahead_seconds > 0 else 'behind'} this machine"
    remedy = "let NTP set both clocks: tokens end, and messages are dated, by them"
    if skew > SKEW_FAILS_SECONDS:
        return fail("clock", said, remedy)
    return (
        warn("clock", said, remedy) if skew > SKEW_WARNS_SECONDS else ok("clock", f"{whose} agrees with this machine")
    )


def alarms(nodes: Iterable[Told]) -> list[Check]:
    """Of every node of the cluster."""
    found: list[Check] = []
    count = 0
    for node in nodes:
        count += 1
        name = node.get("name", "a node")
        if node.get("running") is False:
            found.append(fail("nodes", f"{name} does not run", "start it, or take it out of the cluster"))
        if node.get("mem_alarm"):
            found.append(
                fail("alarms", f"{name} is short of memory: publishers wait", "give it memory, or fewer queues")
            )
        if node.get("disk_free_alarm"):
            found.append(fail("alarms", f"{name} is short of disk: publishers wait", "free disk space"))
        if node.get("partitions"):
            remedy = "restart the nodes of the smaller side"
            found.append(fail("nodes", f"{name} has lost {', '.join(node['partitions'])} from sight", remedy))
    return found or [ok("alarms", f"none on {plural(count, 'node')}")]


def exchanges(told: Mapping[str, Told | None]) -> list[Check]:
    """By name; None: it does not exist."""
    if missing := [name for name in EXCHANGES if told.get(name) is None]:
        return [fail("exchanges", f"missing: {', '.join(missing)}", MAKE_THEM)]
    found: list[Check] = []
    for name, kind in EXCHANGES.items():
        exchange = told[name] or {}
        if exchange.get("type") != kind or exchange.get("durable") is False:
            said = f"{name} is {exchange.get('type')}, not {kind} and durable"
            found.append(fail("exchanges", said, f"delete it while nobody publishes; then {MAKE_THEM}"))
    messages = told[MESSAGES] or {}
    alternate = (messages.get("arguments") or {}).get("alternate-exchange")
    if alternate != UNROUTED_EXCHANGE and messages.get("policy"):
        remedy = f"see that it sets alternate-exchange to {UNROUTED_EXCHANGE}"
        found.append(warn("exchanges", f"{MESSAGES} has it from its policy {messages['policy']!r}, unseen", remedy))
    elif alternate != UNROUTED_EXCHANGE:
        said = f"{MESSAGES} has no alternate exchange {UNROUTED_EXCHANGE}: what is for a new user is lost"
        policy = f"""rabbitmqctl set_policy unrouted '^{MESSAGES}$' '{{"alternate-exchange":"{UNROUTED_EXCHANGE}"}}'"""
        found.append(fail("exchanges", said, f"{policy} --apply-to exchanges"))
    return found or [ok("exchanges", f"{len(EXCHANGES)}, as they must be")]


def bindings(told: Mapping[str, set[str]]) -> Check:
    """The queues that are bound to each exchange."""
    lost = {exchange: wanted - told.get(exchange, set()) for exchange, wanted in BINDINGS.items()}
    if gaps := [f"{exchange} to {some(sorted(queues))}" for exchange, queues in lost.items() if queues]:
        return fail("bindings", f"missing: {'; '.join(gaps)}: what is published there is lost", MAKE_THEM)
    return ok("bindings", "all there")


def some(names: list[str]) -> str:
    """`a, b and 3 more`."""
    most = 2
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
