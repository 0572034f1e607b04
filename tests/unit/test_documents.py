"""What the documents name as a proof is there: every test, and every file or folder of tests."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.services import ROOT

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "deploy/**/*.md", "tests/**/*.md")
    for path in ROOT.glob(pattern)
    if "node_modules" not in path.parts
)
NAMED_TEST = re.compile(r"(?:(tests/[\w/]+\.py)::)?\b(test_\w+)(\.\.\.)?(?!\w*\.\w)")
"""`tests/e2e/test_faults.py::test_a_...`, or the name alone; three dots where its end is left out."""

NAMED_PATH = re.compile(r"`(tests(?:/[\w.]+)+)")


@cache
def defined_in(path: str) -> set[str]:
    files = [ROOT / path] if path else (ROOT / "tests").rglob("test_*.py")
    defined = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
    return {name for file in files if file.is_file() for name in defined.findall(file.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for file, name, cut_short in NAMED_TEST.findall(text):
        there = defined_in(file)
        found = any(test.startswith(name) for test in there) if cut_short else name in there
        assert found, f"{document.name} names {file}::{name}{cut_short}, which nobody wrote"
    for path in NAMED_PATH.findall(text):
        assert (ROOT / path).exists(), f"{document.name} names {path}, which is not there"


def test_the_promises_of_the_readme_name_tests() -> None:
    promises = (ROOT / "README.md").read_text(encoding="utf-8").split("## What it promises")[1].split("\n## ")[0]

    rows = [row for row in promises.splitlines() if row.startswith("| ")][2:]
    assert rows
    for row in rows:
        assert NAMED_TEST.search(row) or "the same" in row, f"no test holds: {row}"


@pytest.mark.parametrize("snippet", sorted((ROOT / "tests/e2e/snippets").glob("publish_*")), ids=lambda path: path.name)
def test_the_readme_shows_the_publishers_that_are_tried(snippet: Path) -> None:
    assert snippet.read_text(encoding="utf-8").strip() in (ROOT / "README.md").read_text(encoding="utf-8")
