"""The names that the broker knows, and the two rules they rest on: what a user id is, and who owns it."""

import re
from zlib import crc32

MESSAGES = "messages"
UNROUTED_EXCHANGE = "messages.unrouted"
UNROUTED = "unrouted"
DEAD_LETTERS = "dead-letters"
RECEIPTS = "receipts"
CENSUS = "dispatcher.census"
"""Every dispatcher consumes it and nobody publishes to it: its consumers are the dispatchers that live."""


# Internal direct exchanges. Their routing keys are the names of the queues bound to them, so that a
# service may be allowed to write to an exchange without being allowed to write to every queue.
SESSIONS_EXCHANGE = "sessions"
GATEWAYS_EXCHANGE = "gateways"
DISPATCHERS_EXCHANGE = "dispatchers"

PARTITIONS = 64
"""How many partitions share the users. A constant of the protocol: every service must agree on it."""

_USER_ID = re.compile(r"[A-Za-z0-9._:@+|=~-]{1,128}")


def is_user_id(text: str) -> bool:
    """Whether `text` is a user id (CONTRACT, Words). Case matters."""
    return _USER_ID.fullmatch(text) is not None


def partition_of(user: str) -> int:
    """The partition (0 to 63) that a user belongs to, the same in every process and for ever."""
    return crc32(user.encode()) % PARTITIONS


def user_queue(user: str) -> str:
    """The durable queue in which a user's messages wait."""
    return f"user.{user}"


def sessions_queue(partition: int) -> str:
    """The durable queue that holds the leases of one partition."""
    return f"sessions.{partition}"


def gateway_inbox(incarnation: str) -> str:
    """The exclusive queue of one gateway connection; `incarnation` is fresh for each connection."""
    return f"gateway.{incarnation}"


def dispatcher_inbox(incarnation: str) -> str:
    """The exclusive queue in which one dispatcher generation gets outcomes."""
    return f"dispatcher.{incarnation}"
