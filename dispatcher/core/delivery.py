"""A message in flight: what the broker delivered, and who may still confirm it."""

import msgspec

from shared.message import Content, DeadLetter


class Arrival(msgspec.Struct):
    """One delivery by the broker, not acked yet.

    `tag` is unique on the partition's channel, `content` is what `shared.message.judge` said of it, and
    `original` belongs to the adapter, which needs it for dead letters and receipts. `wants_receipt`: the
    publisher set `reply_to`. `sent_at`: seconds since 1970, as the publisher has it, if it said so.
    """

    tag: int
    redelivered: bool
    content: Content | DeadLetter
    wants_receipt: bool = False
    original: object = None
    at: float = 0.0
    sent_at: float | None = None


class Flight(msgspec.Struct):
    """All deliveries of one user that carry one id: two copies of one id need only one confirmation.

    `waiting_on` holds the sessions that were sent it and can still confirm; `refused` is the first refusal's
    reason; `tried` says that some session was sent it before.
    """

    content: Content
    arrivals: list[Arrival]
    waiting_on: set[str] = msgspec.field(default_factory=set)
    refused: str | None = None
    tried: bool = False
