"""Another release of a service, as far as others can tell: it reads and writes other versions of what they send.

`python -m tests.support.release gateway 1,2 2` runs a gateway that reads versions 1 and 2 and writes 2. A release that
writes a version that this one does not write adds fields that this one does not know.
"""

import sys
from dataclasses import dataclass

import msgspec
import orjson

from shared import wire
from tests.support.altered import run


@dataclass(frozen=True, slots=True)
class Release:
    """`reads`, separated by commas, and `writes` are versions of `shared.wire`."""

    reads: str
    writes: str

    def command(self, service: str) -> list[str]:
        return ["tests.support.release", service, self.reads, self.writes]


OLD = Release("1", "1")
BETWEEN = Release("1,2", "1")
"""Brings version 2, and does not write it yet."""
NEW = Release("1,2", "2")
FAR = Release("8,9", "9")


class _Later:
    """An encoder that adds to objects a field, and to rows a column."""

    def encode(self, said_now: object) -> bytes:
        said = orjson.loads(msgspec.json.encode(said_now))
        for row in said if isinstance(said, list) else said.get("entries", []):
            row.append("new")
        if isinstance(said, dict):
            said["new"] = {"in": "a later release"}
        return orjson.dumps(said)


def main() -> int:
    service, reads, writes = sys.argv[1:]
    if writes.encode() != wire.WRITES:
        vars(wire)["_encoder"] = _Later()
    wire.READS = frozenset(version.encode() for version in reads.split(","))
    wire.WRITES = writes.encode()
    return run(service)


if __name__ == "__main__":
    sys.exit(main())
