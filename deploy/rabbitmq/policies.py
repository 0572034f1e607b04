"""How long messages stay and how many: RabbitMQ's policies for the users' queues.

RabbitMQ applies one policy to a queue, the one with the highest priority, so all that holds for a queue is in one.
A policy holds from when it is set; what waits already keeps its terms.
"""

from typing import Any

DAY_MS = 24 * 60 * 60 * 1000

RETENTION = {
    # What nobody fetched for so long goes, without a trace in `dead-letters`. A message's own `expiration` may be
    # shorter, never longer.
    "message-ttl": 30 * DAY_MS,
    # What waits for one user at most, so that one who is away cannot fill the disk for all. What is with a client does
    # not count.
    "max-length": 100_000,
    "max-length-bytes": 1024 * 1024 * 1024,
    # And then the publisher's confirm is a nack. RabbitMQ's usual way is to drop the oldest message instead, although
    # it has confirmed it.
    "overflow": "reject-publish",
    # Not here, on purpose:
    # - `expires`. It deletes a queue that nobody has *consumed* for so long, with everything in it; publishing does not
    #   count as use. However long it is, a message that came a second before is lost a second later, long before its
    #   TTL. So empty queues are cleared by `restante queues --idle 30d --delete`, which has the broker check that they
    #   are empty in the same step.
    # - `delivery-limit`. Each time a client leaves with a message unconfirmed counts, and what exceeds it is dropped.
}

# Not named either: `dead-letters` and `unrouted`. What is in the first is the only trace of a message that could not be
# delivered, and a limit on it would hold up the users whose messages belong there; the second is empty while a
# dispatcher runs. Both are to be watched, not limited.
POLICIES: tuple[dict[str, Any], ...] = (
    {"name": "retention", "pattern": r"^user\.", "apply-to": "queues", "priority": 0, "definition": RETENTION},
)
