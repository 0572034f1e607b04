"""A client's connection to the simulated broker: its channels and exclusive queues live as long as it does."""

from typing import TYPE_CHECKING

from tests.simulation.channel import Channel

if TYPE_CHECKING:
    from tests.simulation.broker import Broker


class Connection:
    """`closed`: the broker knows it as gone. How and when the client learns of that is the world's business."""

    __slots__ = ("_broker", "channels", "closed", "name")

    def __init__(self, broker: "Broker", name: str) -> None:
        self._broker = broker
        self.name = name
        self.closed = False
        self.channels: dict[Channel, None] = {}

    def __repr__(self) -> str:
        return f"<Connection {self.name}{' closed' if self.closed else ''}>"

    def channel(self) -> Channel:
        """On a connection that is closed: a channel that is closed too."""
        channel = Channel(self._broker, self)
        if not self.closed:
            self.channels[channel] = None
        return channel

    def close(self) -> None:
        """The client says goodbye. Idempotent."""
        if not self.closed:
            self.closed = True
            self._broker.connection_ended(self)

    def cut(self) -> None:
        """The broker notices that the client is gone. For the queues there is no difference."""
        self.close()
