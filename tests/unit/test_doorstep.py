"""How many stand at the door, as the kernel tells it."""

import socket
import sys
from collections.abc import Iterator

import pytest

from shared.doorstep import CROWD, Doorstep

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


@pytest.fixture
def doorstep() -> Iterator[Doorstep]:
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        doorstep = Doorstep()
        doorstep.listener = listener
        yield doorstep


def knock(doorstep: Doorstep, count: int) -> list[socket.socket]:
    assert doorstep.listener is not None
    return [socket.create_connection(doorstep.listener.getsockname()) for _ in range(count)]


def test_who_was_not_accepted_stands_there(doorstep: Doorstep) -> None:
    assert (len(doorstep), doorstep.crowded()) == (0, False)

    there = knock(doorstep, CROWD + 1)

    assert (len(doorstep), doorstep.crowded()) == (CROWD + 1, True)
    assert doorstep.listener is not None
    there.append(doorstep.listener.accept()[0])
    assert (len(doorstep), doorstep.crowded()) == (CROWD, False)
    for one in there:
        one.close()


def test_at_a_door_that_is_closed_or_not_there_yet_nobody_stands(doorstep: Doorstep) -> None:
    there = knock(doorstep, 1)
    assert doorstep.listener is not None

    doorstep.listener.close()

    assert len(doorstep) == len(Doorstep()) == 0
    there[0].close()
