"""Answers to messages that have binary parts: the answer counts, the parts are dropped.

A client that was closed for one would be sent the same message again, answer the same, and get no further for ever.
"""

import re

_ANSWER = re.compile(r"46([0-9]{1,2})-((?:/[^,]*,)?[0-9]{1,15}\[.*)\Z", re.DOTALL)

PLACEHOLDER = b'"_placeholder":true'
"""What stands in the JSON for a part, as Socket.IO writes it."""


def plain(packet: str) -> tuple[str, int]:
    """Such an answer as one without parts, and how many of them follow; all else as it is, and none."""
    match = _ANSWER.match(packet)
    return (packet, 0) if match is None else (f"43{match[2]}", int(match[1]))
