"""The largest body that the broker takes, its `max_message_size`, which it tells only when it refuses a larger one.

What waits already may be larger: the limit was lowered since, or RabbitMQ 3 became 4. Such a message can be moved as
parts only. What clients send is held to it too: each refusal costs a connection.
"""

from shared.publish import TooLarge


class Ceiling:
    """Of one process, beyond its connections. A limit that is raised is known after the next start."""

    def __init__(self) -> None:
        self.most_bytes: int | None = None

    def learn(self, refused: TooLarge) -> None:
        self.most_bytes = refused.most_bytes

    def takes(self, body: bytes) -> bool:
        """As far as is known."""
        return self.most_bytes is None or len(body) <= self.most_bytes

    def exceeded(self, body: bytes) -> str:
        """In words, why the broker does not take it."""
        return f"{len(body)} bytes where the broker takes {self.most_bytes} (max_message_size)"

    def parts(self, body: bytes) -> list[bytes]:
        """Each of which the broker takes; joined they are the body."""
        if self.most_bytes is None or self.takes(body):
            return [body]
        return [body[at : at + self.most_bytes] for at in range(0, len(body), self.most_bytes)]
