"""What processes cost, from /proc."""

import asyncio
import os
import time
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
REST_SHARE = 0.1


def cpu_seconds(pid: int) -> float:
    """User and system time that a process has used so far, all its threads together."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS_PER_SECOND


class Spent:
    """CPU seconds of some processes since this was made."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._pids = pids
        self._began = time.monotonic()
        self._before = {name: cpu_seconds(pid) for name, pid in pids.items()}

    def so_far(self) -> tuple[float, dict[str, float]]:
        """Seconds that passed, and CPU seconds of each."""
        used = {name: cpu_seconds(pid) - self._before[name] for name, pid in self._pids.items()}
        return time.monotonic() - self._began, used


async def until_rested(pid: int, within_seconds: float) -> None:
    """Wait until a process does next to nothing; on a machine that never lets it, so long."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        spent = Spent({"": pid})
        await asyncio.sleep(1.0)
        took, used = spent.so_far()
        if used[""] / took < REST_SHARE:
            return


def resident_megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def listener(port: int) -> int | None:
    """The process that listens on a port, if it is one that we may look at."""
    hexadecimal = f":{port:04X}"
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(hexadecimal) and fields[3] == "0A":
                inodes.add(f"socket:[{fields[9]}]")
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(str(entry.readlink()) in inodes for entry in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue  # it ended, or is not ours
    return None


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def descendants(pid: int) -> list[int]:
    """All processes below one, the nearest first."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = list(parents.get(pid, []))
    for child in found:
        found.extend(parents.get(child, []))
    return found
