"""A publisher for Python applications: the connection is kept, messages are confirmed, receipts can be awaited."""

from shared.message import Verdict as Outcome
from shared.publisher.message import BadMessage
from shared.publisher.publisher import Closed, NotHeld, Publisher, Rejected
from shared.publisher.receipts import Receipt

__all__ = ["BadMessage", "Closed", "NotHeld", "Outcome", "Publisher", "Receipt", "Rejected"]
