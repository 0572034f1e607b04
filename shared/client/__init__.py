"""A Socket.IO client for Python programs: each message handed out once, confirmed when told to, and an outbox."""

from shared.client.client import Client, State, Stopped
from shared.client.message import Message
from shared.client.outbox import NotSent

__all__ = ["Client", "Message", "NotSent", "State", "Stopped"]
