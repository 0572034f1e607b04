"""The gateway's fast lane, held to python-socketio as the gateway uses it: the same bytes out, the same answers in."""

import asyncio
import contextlib
import itertools
import json
import time
from copy import copy
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from socketio import packet as reference

from gateway.lane import LANE, Lane
from gateway.line import Line, Patience
from gateway.packets import BadPacket, RawPacket, answer, payload
from gateway.unread import Unread
from shared.lanes import PLAIN
from shared.straight import StraightWebSocket

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMESPACES = st.sampled_from(["/", "/chat", "/a.b"])
ASKED = 12
BODIES = JSON.map(lambda value: json.dumps([value])) | st.sampled_from(
    ["[]", "", "[", "{}", "[1 2]", "[]]", " [1]", "[]\n"]
)
FRAMES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["43", "43", "43", "42", "46", "461-", "4", "3"]),
    st.sampled_from(["", "", "/chat,", "/,", "/a.b,", "/axb,", "/chat", "/chat?x=1,"]),
    st.sampled_from([str(ASKED), str(ASKED), "0", "", "x", "012", "9" * 15, "9" * 16, "-1", "\u0663"]),
    BODIES,
)


@dataclass(eq=False)
class Wire:
    """Where a lane writes."""

    said: list[bytes] = field(default_factory=list)
    take: Any = None

    def can_say(self) -> bool:
        return True

    def say(self, text: bytes) -> None:
        self.said.append(text)


@dataclass(eq=False)
class Socket:
    queue: Unread
    upgraded: bool = True
    closing: bool = False
    closed: bool = False
    last_ping: float | None = None


def lane(namespace: str, callbacks: dict[int, Any]) -> tuple[Lane, Wire, Line, Socket]:
    wire, line, socket = Wire(), Line(None, Patience(20, 0.0)), Socket(Unread())
    socket.queue.waits = line.listens = True
    made = Lane(
        socket,
        line,
        cast("StraightWebSocket", wire),
        namespace=namespace,
        ping_timeout_seconds=8.0,
        numbers=itertools.count(7),
        callbacks=callbacks,
        on_fault=lambda err: None,
    )
    return made, wire, line, socket


def by_the_library(frame: str, namespace: str) -> list[bytes] | None:
    """The arguments of the one callback that was asked for, if this is its answer."""
    packet = RawPacket(encoded_packet=frame[1:])
    if frame[:1] != "4" or packet.packet_type != reference.ACK or packet.namespace != namespace or packet.id != ASKED:
        return None
    return answer(packet.data)


@settings(deadline=None)
@given(NAMESPACES, JSON)
def test_a_message_is_written_as_the_library_writes_it(namespace: str, value: object) -> None:
    event = json.dumps({"id": "m1", "data": value}, ensure_ascii=False).encode("utf-8", "replace")
    fast, wire, _, _ = lane(namespace, {})

    assert fast.say(event, lambda arguments: None)

    packet = RawPacket(reference.EVENT, data=["message", payload(event, None)], namespace=namespace, id=7)
    assert wire.said == [b"4" + packet.encode().encode()]


@settings(deadline=None)
@given(FRAMES | st.text(), NAMESPACES)
def test_an_answer_that_the_lane_takes_means_what_it_means_to_the_library(frame: str, namespace: str) -> None:
    got: list[list[bytes]] = []
    callbacks: dict[int, Any] = {ASKED: got.append}
    fast, _, _, _ = lane(namespace, callbacks)

    taken = fast.take(frame.encode("utf-8", "replace"))

    if taken:
        assert got == [by_the_library(frame, namespace)]
        assert not callbacks
    else:
        assert not got
        assert callbacks


@settings(deadline=None)
@given(NAMESPACES, JSON)
def test_every_good_answer_is_taken(namespace: str, value: object) -> None:
    got: list[list[bytes]] = []
    _, wire, _, _ = lane(namespace, {ASKED: got.append})
    named = "" if namespace == "/" else f"{namespace},"

    assert wire.take(f"43{named}{ASKED}{json.dumps([value])}".encode())
    assert [json.loads(argument) for (argument,) in got] == [json.loads(json.dumps(value))]


@settings(deadline=None)
@given(st.binary())
def test_bytes_that_are_no_text_are_left_to_the_library(tail: bytes) -> None:
    got: list[list[bytes]] = []
    frame = b"43%d[" % ASKED + tail + b"]"
    fast, _, _, _ = lane("/", {ASKED: got.append})

    if fast.take(frame):
        assert got == [by_the_library(frame.decode(), "/")]
    else:
        with contextlib.suppress(UnicodeDecodeError, BadPacket):
            by_the_library(frame.decode(), "/")
            pytest.fail("a good answer was not taken")


def test_nothing_is_said_past_what_the_library_has_in_hand() -> None:
    fast, wire, _, socket = lane("/", {})

    for name, value in (("closing", True), ("closed", True), ("last_ping", time.time() - 9.0)):
        before = getattr(socket, name)
        setattr(socket, name, value)
        assert not fast.say(b"{}", lambda arguments: None), name
        setattr(socket, name, before)
    socket.queue.waits = False
    assert not fast.say(b"{}", lambda arguments: None)

    assert not wire.said


def test_nothing_is_heard_past_what_the_library_has_in_hand() -> None:
    got: list[list[bytes]] = []
    fast, _, line, _ = lane("/", {ASKED: got.append})

    line.listens = False

    assert not fast.take(b"43%d[]" % ASKED)
    assert not got


async def test_a_queue_waits_only_while_its_taker_has_nothing_in_hand() -> None:
    queue = Unread()
    waited = [queue.waits]

    taking = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    waited.append(queue.waits)
    queue.put_nowait("packet")
    waited.append(queue.waits)

    assert await taking == "packet"
    assert [*waited, queue.waits] == [False, True, False, False]


def test_the_libraries_here_are_those_that_the_lane_was_proven_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """When this fails, hold the lane to the new ones (here and in test_gateway_lane.py), then name them."""
    monkeypatch.delenv(PLAIN, raising=False)
    asked = copy(LANE)
    asked.__dict__.pop("taken", None)  # as this process may have been asked before

    assert asked.taken
