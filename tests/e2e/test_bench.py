"""The benchmark suite works: a little of every part, and each message comes once, whole and in its turn."""

import asyncio
import json
import shutil
import signal
import sys
from pathlib import Path

import pytest

from deploy.local import debian
from tests.bench.parts import ALONE, COMPARED
from tests.bench.suite import NATS
from tests.bench.systems import nats
from tests.support.chromium import NAMES
from tests.support.services import ROOT

LIMIT_SECONDS = 900


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_SECONDS + 30)
async def test_the_quick_benchmark_measures_every_part_and_finds_nothing_missing_repeated_or_out_of_turn(
    tmp_path: Path,
) -> None:
    if debian.server() is None:
        pytest.skip("no rabbitmq-server is installed")
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")

    suite = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.suite", "--quick", "--out", str(tmp_path)),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said = (await asyncio.wait_for(suite.communicate(), LIMIT_SECONDS))[0].decode()
    finally:
        if suite.returncode is None:
            suite.send_signal(signal.SIGINT)  # it ends what it started
            await suite.wait()

    (found,) = tmp_path.glob("*.json")
    results = json.loads(found.read_text())["results"]
    # A machine may be so slow that a client is cut; then it may be sent again what it had confirmed.
    assert [result for result in results if result["wrong"] and "lost" not in result["wrong"]] == [], said
    phases = {result["phase"].split(" ")[0] for result in results}
    assert phases == {"drain", "steady", "idle", "storm", "first", "scale", "absent", "costs"}, said
    measured = {**COMPARED, **ALONE}
    if nats.server() is None:
        measured = {name: part for name, part in measured.items() if name not in NATS}
    assert len([result for result in results if result["phase"] == "drain"]) == len(measured) - len(ALONE)
    assert all(f": {part.__name__} took" in said for part in measured.values())
    assert found.with_suffix(".png").exists() == any(map(shutil.which, NAMES))
