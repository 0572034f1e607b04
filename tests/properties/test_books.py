"""The small tables that both cores stand on, each against the plainest model of it, for any order of calls."""

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.inboxes import Inboxes
from dispatcher.core.rules import Attempts
from dispatcher.core.session import Session
from gateway.core.ring import RING_IDS, RING_VALUE_BYTES, Ring
from shared.pending import Pending
from shared.wire import NULL

ids = st.integers(0, 6).map("m{}".format)
values = st.sampled_from([NULL, b"1", b"x" * 30_000, b"y" * 60_000, b"z" * 70_000])


@given(st.lists(st.tuples(st.integers(0, 400).map(str), values), max_size=30), st.integers(0, 300))
def test_a_ring_has_the_last_256_ids_and_bounded_values(added: list[tuple[str, bytes]], seen: int) -> None:
    ring = Ring(f"seen{n}" for n in range(seen))
    order = [f"seen{n}" for n in range(seen)]
    said = dict.fromkeys(order, NULL)

    for message, value in added:
        ring.add(message, value)
        if message in order:
            order.remove(message)
        order.append(message)
        said[message] = value

    kept = order[-RING_IDS:]
    assert len(ring) == len(kept)
    assert all(message in ring for message in kept)
    assert not any(message in ring for message in order[:-RING_IDS])
    assert all(ring.value(message) in {said[message], NULL} for message in kept)
    assert sum(len(ring.value(message)) for message in kept) <= RING_VALUE_BYTES + len(NULL) * RING_IDS


@given(st.lists(st.tuples(st.integers(0, 400).map(str), values), min_size=1, max_size=30))
def test_a_ring_gives_up_its_oldest_values_first(added: list[tuple[str, bytes]]) -> None:
    ring = Ring()
    for message, value in added:
        ring.add(message, value)

    young = {message: value for message, value in added if message in ring}
    order = [m for n, (m, _) in enumerate(added) if m not in [later for later, _ in added[n + 1 :]]]
    kept = [ring.value(message) == young[message] and young[message] != NULL for message in order]
    lost = [n for n, message in enumerate(order) if ring.value(message) != young[message]]
    assert not lost or not any(kept[: max(lost)])


steps = st.lists(st.tuples(st.sampled_from(["add", "discard", "clear"]), ids, st.integers(0, 5)), max_size=40)


@given(steps)
def test_pending_is_an_ordered_set_with_the_time_at_which_its_oldest_became_the_oldest(
    script: list[tuple[str, str, int]],
) -> None:
    pending, model, now, since = Pending(), list[str](), 0.0, 0.0

    for step, message, passed in script:
        now += passed
        before = model[:1]
        match step:
            case "add":
                pending.add(message, now)
                model += [message] if message not in model else []
            case "discard":
                pending.discard(message, now)
                model = [known for known in model if known != message]
            case _:
                pending.clear()
                model = []
        if model[:1] != before:
            since = now

        assert list(pending) == model
        assert (len(pending), pending.oldest) == (len(model), model[0] if model else None)
        assert not model or pending.since == since


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["alice", "bob"]), ids), max_size=60))
def test_attempts_count_for_each_user_and_message_apart(script: list[tuple[bool, str, str]]) -> None:
    attempts, model = Attempts(), dict[tuple[str, str], int]()

    for counts, user, message in script:
        if counts:
            attempts.add(user, message)
            model[user, message] = model.get((user, message), 0) + 1
        else:
            attempts.forget(user, message)
            model.pop((user, message), None)

        assert attempts.count(user, message) == model.get((user, message), 0)


moves = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 20)), max_size=40)


@given(moves, st.sets(st.integers(0, 3)))
def test_inboxes_know_who_is_where_and_ask_each_only_when_its_time_has_come(
    script: list[tuple[int, int, int]], busy: set[int]
) -> None:
    """Inbox 3 stands for nowhere: a session that goes there is removed."""
    inboxes, where, asked, now = Inboxes(), dict[int, Session](), dict[str, float](), 0.0
    names = {f"g{n}" for n in busy}

    for number, inbox, passed in script:
        now += passed
        if number in where:
            inboxes.remove(where.pop(number))
            there = {session.inbox for session in where.values()}
            asked = {name: at for name, at in asked.items() if name in there}
        if inbox < 3:
            where[number] = Session(f"s{number}", "alice", f"g{inbox}", 1, 1, 0.0, 0, 30.0)
            inboxes.add(where[number])
        there = {session.inbox for session in where.values()}

        for name in inboxes.due(names, now):
            assert now - asked[name] >= (5.0 if name in names else 30.0)
            asked[name] = now
        for name in there:
            asked.setdefault(name, now)
            assert now - asked[name] < 30.0

        assert len(inboxes) == len(there)
        for name in ("g0", "g1", "g2"):
            assert set(inboxes.sessions_at(name)) == {s for s in where.values() if s.inbox == name}
