"""The gateway's table of sessions, held to python-socketio's own: the same answers, whatever comes and goes."""

import itertools
from typing import Any

import socketio
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.roster import Roster

NAMESPACE = "/chat"
CONNECTIONS = ["c0", "c1", "c2"]
STEPS = st.lists(
    st.tuples(st.sampled_from(["come", "connected", "leaving", "gone"]), st.sampled_from(CONNECTIONS)), max_size=30
)


class _Ids:
    """engine.io's, and the server's: the same for both tables."""

    def __init__(self) -> None:
        self.eio = self
        self._numbers = itertools.count()

    def generate_id(self) -> str:
        return f"s{next(self._numbers)}"


def tables() -> tuple[Roster, Any]:
    ours, theirs = Roster(NAMESPACE, lambda sid: None, lambda sid: None), socketio.AsyncManager()
    ours.server, theirs.server = _Ids(), _Ids()
    return ours, theirs


def answers(table: Any, sessions: list[str]) -> list[object]:
    return [
        *(table.sid_from_eio_sid(connection, NAMESPACE) for connection in CONNECTIONS),
        *(table.eio_sid_from_sid(sid, NAMESPACE) for sid in sessions),
        *(table.is_connected(sid, NAMESPACE) for sid in [*sessions, None, "nobody"]),
        *(table.is_connected(sid, "/") for sid in sessions),
    ]


@settings(deadline=None)
@given(STEPS)
async def test_it_answers_as_the_library_does(steps: list[tuple[str, str]]) -> None:
    ours, theirs = tables()
    sessions: list[str] = []

    for what, connection in steps:
        sid = theirs.sid_from_eio_sid(connection, NAMESPACE)
        if what == "come":
            came = [await table.pre_connect(connection, NAMESPACE) for table in (ours, theirs)]
            assert came[0] == came[1]
            if came[0] is None:
                ours.server.generate_id()  # the library spends one where it takes nobody
            sessions += [sid for sid in came[:1] if sid is not None]
        elif sid is None:
            continue
        elif what == "connected":
            if theirs.is_pre_connected(sid, NAMESPACE):
                assert await ours.connect(sid, NAMESPACE) == await theirs.connect(sid, NAMESPACE)
        elif what == "leaving":
            if theirs.is_connected(sid, NAMESPACE):  # the library asks for nothing else
                assert ours.pre_disconnect(sid, NAMESPACE) == theirs.pre_disconnect(sid, NAMESPACE)
        else:
            await ours.disconnect(sid, NAMESPACE, ignore_queue=True)
            await theirs.disconnect(sid, NAMESPACE, ignore_queue=True)
        assert answers(ours, sessions) == answers(theirs, sessions)


async def test_nothing_is_left_of_a_session_that_is_gone() -> None:
    heard: list[str] = []
    roster = Roster(NAMESPACE, heard.append, heard.append)
    roster.server = _Ids()
    before = {name: len(value) for name, value in vars(roster).items() if isinstance(value, dict | set | list)}

    for _ in range(3):
        sid = await roster.pre_connect("c0", NAMESPACE)
        assert sid is not None
        await roster.connect(sid, NAMESPACE)
        roster.number(sid, lambda arguments: None)
        roster.pre_disconnect(sid, NAMESPACE)
        await roster.disconnect(sid, NAMESPACE)

    assert heard == ["s0", "s1", "s2"]
    assert {name: len(value) for name, value in vars(roster).items() if isinstance(value, dict | set | list)} == before


async def test_a_session_whose_connection_ended_while_it_came_is_not_connected_after_all() -> None:
    heard: list[str] = []
    roster = Roster(NAMESPACE, heard.append, heard.append)
    roster.server = _Ids()
    sid = await roster.pre_connect("c0", NAMESPACE)
    assert sid is not None

    roster.basic_disconnect(sid, NAMESPACE)
    await roster.connect(sid, NAMESPACE)

    assert not heard
    assert not roster.is_connected(sid, NAMESPACE)
