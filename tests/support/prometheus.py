"""Prometheus as Debian packages it, collecting from services of a test; and the expressions that we give to it."""

import asyncio
import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.services import ROOT, free_port
from tests.support.until import TooLate, until

FOLDER = ROOT / "deploy/prometheus"
RULES = FOLDER / "restante.rules.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/restante.json"
END_SECONDS = 30.0
LOOK_SECONDS = 0.3
_NAME = re.compile(r"\brestante_\w+")


def needed(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs `{program}`, which is in Debian's package prometheus")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """Those of the dashboard that show something."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def shown() -> Iterator[tuple[str, str]]:
    """What the dashboard asks for: panel and expression, as Grafana fills it in."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


def names(expression: str) -> set[str]:
    return set(_NAME.findall(expression))


class Prometheus:
    """One that runs."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Its answer at this moment. Raises for an expression that it does not understand."""
        asked = urllib.parse.urlencode({"query": expression})
        answer = await asyncio.to_thread(_get, f"{self.url}/api/v1/query?{asked}")
        found: list[dict[str, Any]] = json.loads(answer)["data"]["result"]
        return found

    async def history(self, expression: str, began: float, ended: float, step_seconds: float) -> list[dict[str, Any]]:
        """Its answers between two moments (seconds since 1970), one for each step."""
        asked = {"query": expression, "start": str(began), "end": str(ended), "step": f"{step_seconds:g}s"}
        answer = await asyncio.to_thread(_get, f"{self.url}/api/v1/query_range?{urllib.parse.urlencode(asked)}")
        found: list[dict[str, Any]] = json.loads(answer)["data"]["result"]
        return found

    async def told(self, expression: str, wanted: float, seconds: float = 60.0) -> None:
        """Returns once the first value of the answer is so: what was collected is a second old. Raises `TooLate`."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (found := await self.number(expression)) != wanted:
            if asyncio.get_running_loop().time() > deadline:
                raise TooLate(f"{expression} is {found}, not {wanted}, after {seconds} s")
            await asyncio.sleep(LOOK_SECONDS)

    async def number(self, expression: str) -> float:
        """The first value of the answer; 0 where there is none."""
        found = await self.query(expression)
        return float(found[0]["value"][1]) if found else 0.0


@asynccontextmanager
async def collecting(folder: Path, jobs: Mapping[str, list[str]]) -> AsyncIterator[Prometheus]:
    """With our rules. `jobs` are addresses by the name of the job."""
    needed("prometheus")
    port, log = free_port(), folder / "prometheus.log"
    process = _started(folder, port, jobs, log)
    try:
        running = Prometheus(port)
        await until(lambda: process.poll() is not None or _is_ready(running.url), log.read_text, 60.0, step_seconds=0.2)
        assert process.poll() is None, log.read_text()
        yield running
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(END_SECONDS)


def _started(folder: Path, port: int, jobs: Mapping[str, list[str]], log: Path) -> "subprocess.Popen[bytes]":
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": job, "static_configs": [{"targets": to}]} for job, to in jobs.items()],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    arguments = {
        "config.file": folder / "prometheus.yml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        "log.level": "warn",
    }
    with log.open("wb") as output:
        return subprocess.Popen(
            ["prometheus", *(f"--{name}={value}" for name, value in arguments.items())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


def _is_ready(url: str) -> bool:
    try:
        return bool(_get(f"{url}/-/ready"))
    except OSError:
        return False


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 -- our own address
        return str(answer.read().decode())
