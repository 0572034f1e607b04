"""Who answers at a broker's address need not be a broker: whatever comes of it is `BrokerAway`."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
import uvloop

from shared.broker import BrokerAway, connect
from shared.settings import BrokerSettings

TRIES = 20


@pytest.fixture
def hollow() -> Iterator[int]:
    """A port that takes every connection and closes it at once, as a container's proxy does without the container."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def turn_away() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        turning = threading.Thread(target=turn_away)
        turning.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        turning.join()


def test_a_connection_that_is_closed_at_once_says_that_the_broker_is_away(
    hollow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_URL", f"amqp://127.0.0.1:{hollow}/")

    async def connects() -> None:
        for _ in range(TRIES):
            with pytest.raises(BrokerAway):
                await connect(BrokerSettings(), "test")

    uvloop.run(connects())  # the services' own loop, which hears of the end sooner
