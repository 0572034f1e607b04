"""The JavaScript client's package as TypeScript and npm see it."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.node import HERE

PACKAGE = Path(__file__).parent.parent.parent / "gateway" / "client"
TSC = HERE / "node_modules" / "typescript" / "bin" / "tsc"
OPTIONS = ("--strict", "--noEmit", "--target", "es2022", "--module", "nodenext")
SECONDS = 240

pytestmark = [pytest.mark.usefixtures("node"), pytest.mark.timeout(300)]


def tsc(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["node", str(TSC), *OPTIONS, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder in which both packages are installed."""
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "restante-client").symlink_to(PACKAGE)
    (modules / "socket.io-client").symlink_to(HERE / "node_modules" / "socket.io-client")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    return tmp_path


def test_a_program_in_typescript_compiles_and_each_wrong_use_in_it_is_found(project: Path) -> None:
    (project / "types.ts").write_text((HERE / "types.ts").read_text())

    ran = tsc(project, "--skipLibCheck", "types.ts")  # socket.io-client's own types are not ours to check

    assert ran.returncode == 0, ran.stdout


def test_the_types_themselves_compile(project: Path) -> None:
    ran = tsc(project, str(PACKAGE / "restante.d.ts"))

    assert ran.returncode == 0, ran.stdout


def test_the_package_holds_the_client_its_types_and_what_a_reader_needs() -> None:
    command = ["npm", "pack", "--dry-run", "--json", "--loglevel=error"]
    ran = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=SECONDS, check=True)

    (packed,) = json.loads(ran.stdout)
    assert sorted(file["path"] for file in packed["files"]) == [
        "LICENSE",
        "README.md",
        "package.json",
        "restante.d.ts",
        "restante.js",
    ]
