"""The clock of the chaos runs is wrong by as much as it is told, and only the wall clock."""

import subprocess
import sys
import time
from pathlib import Path

from tests.chaos.clock import Clock
from tests.support.services import ROOT

DAY_SECONDS = 86_400.0
WRONG_BY = (0.0, DAY_SECONDS, -DAY_SECONDS, 0.0)

SHOW = f"""
import datetime, pathlib, time
from tests.chaos.clock import Clock

clock = Clock(pathlib.Path({{file!r}}))
for wrong_by in {WRONG_BY}:
    clock.be_wrong_by(wrong_by)
    print(time.time(), datetime.datetime.now(datetime.UTC).timestamp(), time.monotonic())
"""


def test_a_wall_clock_is_wrong_by_as_much_as_it_is_told_and_no_other_is(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    (tmp_path / "shows_clocks.py").write_text(SHOW.format(file=str(clock.file)))
    wall_now, other_now = time.time(), time.monotonic()

    ran = subprocess.run(
        [sys.executable, "-m", *clock.command("shows_clocks")],
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        timeout=100,
    )

    shown = [[float(number) for number in line.split()] for line in ran.stdout.splitlines()]
    assert len(shown) == len(WRONG_BY)
    for wrong_by, (wall, date, other) in zip(WRONG_BY, shown, strict=True):
        assert abs(wall - wall_now - wrong_by) < DAY_SECONDS / 2
        assert abs(date - wall_now - wrong_by) < DAY_SECONDS / 2
        assert abs(other - other_now) < DAY_SECONDS / 2
