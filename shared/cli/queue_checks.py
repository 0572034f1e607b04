"""What `restante doctor` makes of the queues: their types and arguments, and the terms that policies set. No I/O."""

import re
from collections.abc import Iterable
from typing import Any

from shared.cli.checks import MAKE_THEM, QUEUES, Check, State, Told, fail, number_of, ok, some
from shared.cli.printing import plural
from shared.names import CENSUS, DEAD_LETTERS, UNROUTED, sessions_queue
from shared.settings import QueueType
from shared.topology import DELIVERY_LIMIT, LEASE_SECONDS

USER = "user."
SESSIONS = sessions_queue(0).removesuffix("0")
SHORT_TTL_SECONDS = 3600

Complaint = tuple[State, str, str, str]
"""The check's name, what is wrong and what to do come after the state; a complaint is one line for all its queues."""


def ours(queue: str) -> bool:
    return queue in QUEUES or queue.startswith((USER, SESSIONS))


def queues(told: Iterable[Told], queue_type: QueueType, version: str, nodes: int) -> list[Check]:
    """All queues of the virtual host, those of others too."""
    mine = {queue["name"]: queue for queue in told if ours(queue["name"])}
    found: list[Check] = []
    if missing := [name for name in QUEUES if name not in mine]:
        found.append(fail("queues", f"missing: {some(missing)}", MAKE_THEM))
    complaints: dict[Complaint, list[str]] = {}
    for name, queue in mine.items():
        for complaint in (*_shape(name, queue, queue_type, nodes), *_terms(name, queue, version)):
            complaints.setdefault(complaint, []).append(name)
    for (state, check, said, remedy), names in complaints.items():
        found.append(Check(check, state, f"{some(sorted(names))}: {said}", remedy))
    users = sum(name.startswith(USER) for name in mine)
    if not any(check.name == "queues" for check in found):
        found.insert(0, ok("queues", f"all there, {plural(users, 'user')} among them; {queue_type.value}"))
    if not any(check.name == "policies" for check in found):
        found.append(ok("policies", "nothing in them loses messages"))
    return found


def policies(told: Iterable[Told], version: str) -> list[Check]:
    """Those that will hold for users' queues, where none exists yet that would show it."""
    sample = f"{USER}alice"
    found: list[Check] = []
    for policy in told:
        if _holds_for(policy, sample):
            queue = {"effective_policy_definition": policy.get("definition") or {}, "policy": policy.get("name")}
            complaints = _terms(sample, queue, version)
            found += [Check(name, state, f"new users: {said}", remedy) for state, name, said, remedy in complaints]
    return found


def _holds_for(policy: Told, queue: str) -> bool:
    try:
        matches = re.search(policy.get("pattern", ""), queue) is not None
    except re.error:
        return False  # RabbitMQ's patterns know a little more than ours
    return matches and policy.get("apply-to", "all") != "exchanges"


def _shape(name: str, queue: Told, queue_type: QueueType, nodes: int) -> Iterable[Complaint]:
    arguments = queue.get("arguments") or {}
    kind = queue.get("type", QueueType.CLASSIC.value)
    if kind != queue_type.value:
        said = f"{kind}, where BROKER_QUEUE_TYPE says {queue_type.value}"
        yield State.WARN, "queue types", said, "say the same everywhere; queues that exist stay as they are"
    elif kind == QueueType.CLASSIC.value and nodes > 1:
        said = f"classic, so on one of {nodes} nodes only"
        yield State.WARN, "queue types", said, "BROKER_QUEUE_TYPE=quorum keeps each on several nodes"
    if queue.get("durable") is False:
        yield State.FAIL, "queues", "not durable: gone when the broker restarts", f"delete it; then {MAKE_THEM}"
    if name not in (DEAD_LETTERS, CENSUS) and not arguments.get("x-single-active-consumer"):
        said = "without x-single-active-consumer: order is lost when a dispatcher dies"
        yield State.FAIL, "queues", said, "once it is empty, delete it: the dispatcher makes it anew"
    state = queue.get("state", "running")
    if state not in ("running", "idle", "flow"):
        yield State.FAIL, "queues", f"is {state}", "look into RabbitMQ's log; start the node that has it"


def _terms(name: str, queue: Told, version: str) -> Iterable[Complaint]:
    terms = _in_force(queue)
    policy = f"policy {queue['policy']!r}" if queue.get("policy") else "the queue's own arguments"
    if "expires" in terms:
        said = f"`expires` deletes it with all that is in it after {_span(terms['expires'])} without a consumer"
        remedy = f"take it out of {policy}; `restante queues --idle 30d --delete` clears what is empty"
        yield State.FAIL, "policies", said, remedy
    limits = [term for term in ("max-length", "max-length-bytes") if term in terms]
    if limits and not str(terms.get("overflow", "")).startswith("reject-publish"):
        said = f"`{limits[0]}` drops the oldest message, although it was confirmed"
        yield State.FAIL, "policies", said, f'put "overflow": "reject-publish" into {policy}'
    elif limits and not name.startswith(USER):
        said = f"`{limits[0]}`: while it is full, those wait whose messages belong there"
        yield State.WARN, "policies", said, f"let {policy} hold for ^user\\. only"
    yield from _ttl(name, terms, policy)
    if queue.get("type") == QueueType.QUORUM.value:
        yield from _delivery_limit(terms, policy, version)


def _ttl(name: str, terms: dict[str, Any], policy: str) -> Iterable[Complaint]:
    ttl = terms.get("message-ttl")
    if not isinstance(ttl, int):
        return
    if name.startswith(SESSIONS):
        if ttl < LEASE_SECONDS * 1000:
            said = f"`message-ttl` of {_span(ttl)} forgets sessions that live"
            yield State.FAIL, "policies", said, f"let {policy} hold for ^user\\. only"
    elif name in (UNROUTED, DEAD_LETTERS):
        said = f"`message-ttl` drops what is older than {_span(ttl)}, and nothing tells of it"
        yield State.WARN, "policies", said, f"let {policy} hold for ^user\\. only"
    elif name.startswith(USER) and ttl < SHORT_TTL_SECONDS * 1000:
        said = f"`message-ttl` drops what nobody fetched within {_span(ttl)}"
        yield State.WARN, "policies", said, f"unless that is wanted, raise it in {policy}"


def _delivery_limit(terms: dict[str, Any], policy: str, version: str) -> Iterable[Complaint]:
    """RabbitMQ 4 drops after 20 returns where nothing is said; before 4.0, -1 drops at the first one."""
    from_4_on = (number_of(version) or (0, 0)) >= (4, 0)
    limit = terms.get("delivery-limit")
    if limit is None and not from_4_on:
        return
    if not isinstance(limit, int) or not (limit >= DELIVERY_LIMIT or (limit < 0 and from_4_on)):
        which = "RabbitMQ's own" if limit is None else limit
        said = f"`delivery-limit` is {which}: it drops what came back so often"
        yield State.FAIL, "policies", said, f"set it to {DELIVERY_LIMIT} in {policy}"


def _in_force(queue: Told) -> dict[str, Any]:
    """What the queue's arguments say, and the policy that holds: of two numbers RabbitMQ takes the smaller one."""
    terms: dict[str, Any] = dict(queue.get("effective_policy_definition") or {})
    for name, value in (queue.get("arguments") or {}).items():
        term, other = name.removeprefix("x-"), terms.get(name.removeprefix("x-"))
        both = isinstance(value, int) and isinstance(other, int)
        terms[term] = min(value, other) if both else value
    return terms


def _span(milliseconds: int) -> str:
    seconds = milliseconds / 1000
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"
