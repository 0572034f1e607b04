"""What is kept of a client that logs in: nothing, once it has gone, in whatever moment it went."""

import time

import pytest

from gateway.lane import LANE
from tests.support.gateway import assembled
from tests.support.tokens import token
from tests.support.until import until
from tests.support.wireless import visitors


@pytest.mark.parametrize("lane", [True, False])
async def test_nothing_is_left_of_a_login_whose_answer_finds_that_the_client_is_silent(
    lane: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LANE, "taken", lane)
    async with assembled(gateway_ping_interval_seconds=20) as gateway, visitors(gateway) as those:
        client = await those.come()
        (socket,) = gateway.sockets._server.eio.sockets.values()
        socket.last_ping = time.time() - 1.01  # it has not answered in time, and nobody has looked yet

        client.says(f'40{{"token":"{token("alice")}"}}')
        await until(lambda: not len(gateway.sockets.engine), "its end")

        assert not gateway.sockets._by_session
        assert not len(gateway.sockets._expiries)
