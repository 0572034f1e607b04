"""The largest body that the broker takes, its `max_message_size`, which it tells only when it refuses a larger one.

What waits already may be larger: the limit was lowered since, or RabbitMQ 3 became 4. Such a message can be moved as
parts only.
"""

from shared.publish import TooLarge


class Ceiling:
    """Of one process: the refusal costs a channel, and with it a generation, so it must be remembered beyond that."""

    def __init__(self) -> None:
        self.most_bytes: int | None = None

    def learn(self, refused: TooLarge) -> None:
        self.most_bytes = refused.most_bytes

    def takes(self, body: bytes) -> bool:
        """As far as is known."""
        return self.most_bytes is None or len(body) <= self.most_bytes

    def parts(self, body: bytes) -> list[bytes]:
        """Each of which the broker takes; joined they are the body."""
        if self.most_bytes is None or self.takes(body):
            return [body]
        return [body[at : at + self.most_bytes] for at in range(0, len(body), self.most_bytes)]
