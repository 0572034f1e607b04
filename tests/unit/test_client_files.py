"""The JavaScript client as it is served and packed."""

import gzip
import json
import re
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / "gateway" / "client"
MOST_BYTES = 5000


def test_the_client_is_small_and_needs_nothing_else() -> None:
    source = (FOLDER / "restante.js").read_bytes()

    assert len(gzip.compress(source, 9)) < MOST_BYTES
    assert b"import" not in source


def test_its_types_name_all_that_it_exports_and_the_package_has_both() -> None:
    exported = r"^export class (\w+)"
    names = re.findall(exported, (FOLDER / "restante.js").read_text(), re.MULTILINE)
    package = json.loads((FOLDER / "package.json").read_text())

    assert names == ["Refused", "NotSent", "Client"]
    assert set(names) == set(re.findall(exported, (FOLDER / "restante.d.ts").read_text(), re.MULTILINE))
    assert all((FOLDER / name).is_file() for name in package["files"])
    assert (FOLDER / "LICENSE").read_text() == (FOLDER.parent.parent / "LICENSE").read_text()
