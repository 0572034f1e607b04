"""The file that the Python client keeps."""

from pathlib import Path

import pytest

from shared.client.memory import Memory

WAITING = {"id": "m1", "to": "bob", "data": [1], "type": "", "ttl": None, "at": 1.0}


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    file = tmp_path / "client.json"
    memory = Memory(file)
    memory.keep_seen(["m0"])
    memory.keep_outbox([WAITING])

    again = Memory(file)

    assert (again.seen, again.outbox) == (["m0"], [WAITING])


@pytest.mark.parametrize(
    "text",
    ["", "7", "[]", "{", '{"seen": 1}', '{"seen": [1]}', '{"outbox": [{}]}', '{"outbox": [{"id": "m1"}]}', "\x80"],
)
def test_a_file_that_no_client_has_written_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "client.json"
    file.write_text(text, encoding="latin-1")

    with pytest.raises(ValueError, match="is not what a client has written"):
        Memory(file)
