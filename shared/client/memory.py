"""What outlives a program: the ids that it handled and what it has not sent yet, in one JSON file."""

import os
from pathlib import Path
from typing import Any

import msgspec
import orjson


class _Waiting(msgspec.Struct, forbid_unknown_fields=True):
    """What `outbox.Entry` is made of."""

    id: str
    to: str
    data: Any
    type: str
    ttl: float | None
    at: float


class _Kept(msgspec.Struct):
    seen: list[str] = []
    outbox: list[_Waiting] = []


class Memory:
    """Of one user and one program at a time. Without a file, nothing outlives.

    A write replaces the file as a whole, so a program that is killed leaves a good one; a power cut may take the
    last moments. Raises OSError, or ValueError for a file that is none of ours.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.seen: list[str] = []
        self.outbox: list[dict[str, Any]] = []
        if file is not None and file.exists():
            try:
                kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
            except (msgspec.MsgspecError, UnicodeError) as err:
                raise ValueError(f"{file} is not what a client has written: {err}") from err
            self.seen, self.outbox = kept.seen, [msgspec.structs.asdict(entry) for entry in kept.outbox]

    def keep_seen(self, seen: list[str]) -> None:
        self._write(seen, self.outbox)
        self.seen = seen

    def keep_outbox(self, outbox: list[dict[str, Any]]) -> None:
        self._write(self.seen, outbox)
        self.outbox = outbox

    def _write(self, seen: list[str], outbox: list[dict[str, Any]]) -> None:
        if self._file is None:
            return
        beside = self._file.with_name(self._file.name + ".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(orjson.dumps({"seen": seen, "outbox": outbox}))
        beside.replace(self._file)
