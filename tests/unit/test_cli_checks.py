"""What `restante doctor` makes of what it is told: what is well, what loses messages, and what to do about it."""

from typing import Any

import pytest

from shared.cli import checks, queue_checks
from shared.cli.checks import EXCHANGES, QUEUES, State
from shared.cli.management import ahead
from shared.settings import QueueType

SINGLE = {"x-single-active-consumer": True}
LIMIT = 1_000_000


def exchanges(**changed: Any) -> dict[str, Any]:
    told = {name: {"type": kind, "durable": True} for name, kind in EXCHANGES.items()}
    told["messages"]["arguments"] = {"alternate-exchange": "messages.unrouted"}
    return {**told, **changed}


def queue(name: str, terms: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "classic",
        "durable": True,
        "state": "running",
        "arguments": SINGLE,
        "effective_policy_definition": terms or {},
        **({"policy": "retention"} if terms else {}),
        **changed,
    }


def judged(*changed: dict[str, Any], version: str = "3.10.8", nodes: int = 1) -> list[checks.Check]:
    told = {name: queue(name) for name in (*QUEUES, "user.alice")} | {one["name"]: one for one in changed}
    return queue_checks.queues(told.values(), QueueType.CLASSIC, version, nodes)


def wrong(found: list[checks.Check]) -> list[tuple[State, str]]:
    return [(check.state, check.said) for check in found if check.state is not State.OK]


@pytest.mark.parametrize(
    ("product", "version", "state"),
    [
        ("RabbitMQ", "3.10.8", State.OK),
        ("RabbitMQ", "4.3.0-rc.1", State.OK),
        ("RabbitMQ", "3.9.29", State.FAIL),
        ("RabbitMQ", "5.0.0", State.WARN),
        ("LavinMQ", "2.4.0", State.WARN),
        ("RabbitMQ", "unknown", State.WARN),
    ],
)
def test_versions_3_10_to_4_are_well(product: str, version: str, state: State) -> None:
    assert checks.version(product, version).state is state


@pytest.mark.parametrize(
    ("seconds", "state"), [(0.0, State.OK), (-4.9, State.OK), (6.0, State.WARN), (-6.0, State.WARN), (61.0, State.FAIL)]
)
def test_a_clock_may_be_a_little_off(seconds: float, state: State) -> None:
    assert checks.clock("the broker", seconds).state is state


def test_a_date_in_whole_seconds_that_was_so_while_we_waited_is_no_difference() -> None:
    date = "Mon, 23 Nov 2026 05:12:43 GMT"
    said = 1795410763.0

    assert ahead(date, said + 0.5, said + 0.9) == 0.0
    assert ahead(date, said - 9.0, said - 8.0) == 8.0
    assert ahead(date, said + 8.0, said + 9.0) == -7.0
    assert ahead("soon", said, said) is None
    assert ahead(None, said, said) is None


def test_an_alarm_of_any_node_is_told() -> None:
    well = {"name": "a", "running": True, "mem_alarm": False, "disk_free_alarm": False, "partitions": []}

    assert wrong(checks.alarms([well])) == []
    assert wrong(checks.alarms([well, {**well, "name": "b", "mem_alarm": True, "partitions": ["a"]}])) == [
        (State.FAIL, "b is short of memory: publishers wait"),
        (State.FAIL, "b has lost a from sight"),
    ]


def test_exchanges_as_the_dispatcher_makes_them_are_well() -> None:
    assert wrong(checks.exchanges(exchanges())) == []


def test_an_exchange_that_is_missing_or_of_another_type_is_told() -> None:
    assert wrong(checks.exchanges(exchanges(receipts=None))) == [(State.FAIL, "missing: receipts")]
    fanout = {"type": "fanout", "durable": True}
    assert wrong(checks.exchanges(exchanges(receipts=fanout))) == [
        (State.FAIL, "receipts is fanout, not direct and durable")
    ]


def test_messages_without_its_alternate_exchange_loses_what_is_for_new_users() -> None:
    bare = {"type": "direct", "durable": True, "arguments": {}}

    [check] = checks.exchanges(exchanges(messages=bare))

    assert check.state is State.FAIL
    assert "messages.unrouted" in check.remedy
    assert [check.state for check in checks.exchanges(exchanges(messages={**bare, "policy": "own"}))] == [State.WARN]


def test_a_queue_that_is_not_bound_is_told() -> None:
    bound = dict(checks.BINDINGS)

    assert checks.bindings(bound).state is State.OK
    assert "unrouted" in checks.bindings({**bound, "messages.unrouted": set()}).said


def test_queues_as_the_dispatcher_makes_them_are_well() -> None:
    assert wrong(judged()) == []
    assert wrong(judged(queue("orders", {"expires": 1}))) == []  # of somebody else


def test_what_is_wrong_with_many_queues_is_one_line() -> None:
    bad = {"expires": 86_400_000}

    assert wrong(judged(*(queue(f"user.u{n}", bad) for n in range(5)))) == [
        (
            State.FAIL,
            "user.u0, user.u1 and 3 more: `expires` deletes it with all that is in it after 1 d without a consumer",
        )
    ]


@pytest.mark.parametrize(
    ("name", "terms", "state"),
    [
        ("user.alice", {"message-ttl": 86_400_000}, None),
        ("user.alice", {"max-length": 10, "overflow": "reject-publish"}, None),
        ("user.alice", {"max-length": 10}, State.FAIL),
        ("user.alice", {"max-length-bytes": 10, "overflow": "drop-head"}, State.FAIL),
        ("user.alice", {"message-ttl": 1000}, State.WARN),
        ("user.alice", {"expires": 2_592_000_000}, State.FAIL),
        ("sessions.7", {"message-ttl": 2_592_000_000}, None),
        ("sessions.7", {"message-ttl": 60_000}, State.FAIL),
        ("unrouted", {"message-ttl": 86_400_000}, State.WARN),
        ("dead-letters", {"expires": 1000}, State.FAIL),
        ("dead-letters", {"max-length": 10, "overflow": "reject-publish"}, State.WARN),
    ],
)
def test_terms_that_lose_messages_are_told_from_those_that_do_not(
    name: str, terms: dict[str, Any], state: State | None
) -> None:
    assert [check for check, _ in wrong(judged(queue(name, terms)))] == ([] if state is None else [state])


def test_a_queue_s_own_arguments_count_as_much_as_a_policy() -> None:
    [(state, said)] = wrong(judged(queue("user.alice", arguments={**SINGLE, "x-expires": 5000})))

    assert state is State.FAIL
    assert "5 s" in said


@pytest.mark.parametrize(
    ("version", "limit", "well"),
    [
        ("3.10.8", LIMIT, True),
        ("3.10.8", None, True),
        ("3.10.8", -1, False),
        ("3.10.8", 20, False),
        ("4.0.5", LIMIT, True),
        ("4.0.5", -1, True),
        ("4.0.5", None, False),
        ("4.0.5", 20, False),
    ],
)
def test_a_quorum_queue_must_not_count_how_often_a_message_came_back(
    version: str,
    limit: int | None,
    well: bool,
) -> None:
    arguments = SINGLE | ({} if limit is None else {"x-delivery-limit": limit})

    found = judged(queue("user.alice", type="quorum", arguments=arguments), version=version)

    assert any("delivery-limit" in said for _, said in wrong(found)) is not well


def test_a_queue_of_another_type_shape_or_state_is_told() -> None:
    assert wrong(judged(queue("user.alice", type="quorum"))) == [
        (State.WARN, "user.alice: quorum, where BROKER_QUEUE_TYPE says classic")
    ]
    assert wrong(judged(queue("user.alice", arguments={})))[0][0] is State.FAIL
    assert wrong(judged(queue("user.alice", state="down"))) == [(State.FAIL, "user.alice: is down")]
    assert wrong(judged(nodes=3))[0][0] is State.WARN


def test_a_queue_that_is_missing_is_told() -> None:
    told = [queue(name) for name in QUEUES if name != "sessions.9"]

    assert wrong(queue_checks.queues(told, QueueType.CLASSIC, "4.0.5", 1)) == [(State.FAIL, "missing: sessions.9")]


def test_a_policy_is_judged_before_there_is_a_user_for_whom_it_holds() -> None:
    policy = {"name": "bad", "pattern": "^user", "apply-to": "queues", "definition": {"expires": 1000}}

    [check] = queue_checks.policies(
        [policy, {**policy, "pattern": "^orders"}, {**policy, "apply-to": "exchanges"}], "4"
    )

    assert (check.state, "policy 'bad'" in check.remedy) == (State.FAIL, True)
