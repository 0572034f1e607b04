"""`python -m tests.bench.dashboard`: the Grafana dashboard with data in it, drawn by us.

Grafana itself is not asked: its image cannot be had everywhere. Services run under load while one of them is killed and
a client refuses; a real Prometheus collects from them, and every panel is drawn where the dashboard puts it, with its
title, unit and legend, from what Prometheus answers. A panel without an answer says so.
"""

import argparse
import asyncio
import json
import tempfile
import time
from html import escape
from pathlib import Path
from typing import Any

from deploy.local.broker import Broker, Kind, find
from deploy.local.rabbitmq import Management
from tests.bench.__main__ import say
from tests.chaos.picture import COLOURS, draw
from tests.support.bound import bound_by
from tests.support.client import Mode
from tests.support.fleet import Fleet
from tests.support.prometheus import DASHBOARD, Prometheus, collecting
from tests.support.python_client import PythonClient
from tests.support.scaling import spread
from tests.support.services import Services
from tests.support.stream import Stream, Timed

WIDTH = 1500  # what `draw` takes a picture of
COLUMN, ROW = WIDTH / 24, 34
MARGIN, HEAD, FOOT = 8, 26, 40
STEP_SECONDS = 2.0
RATE_INTERVAL = "15s"
UNITS = {"s": (1000, " ms"), "cps": (1, "/s"), "percentunit": (100, " %"), "bytes": (1e-6, " MB")}

Series = list[tuple[str, list[tuple[float, float]]]]


async def answers(prometheus: Prometheus, panel: dict[str, Any], began: float, ended: float) -> Series:
    """One line for each series: its legend, and (moment, value) of each step."""
    found: Series = []
    for target in panel["targets"]:
        expression = target["expr"].replace("$__rate_interval", RATE_INTERVAL)
        for series in await prometheus.history(expression, began, ended, STEP_SECONDS):
            legend = target.get("legendFormat") or ""
            for label, value in series["metric"].items():
                legend = legend.replace("{{" + label + "}}", value)
            points = [(float(at), float(value)) for at, value in series["values"] if value not in {"NaN", "+Inf"}]
            found.append((legend, points))
    return found


def panel_svg(panel: dict[str, Any], series: Series, began: float, ended: float) -> str:
    place = panel["gridPos"]
    left, top = place["x"] * COLUMN + MARGIN / 2, place["y"] * ROW
    wide, high = place["w"] * COLUMN - MARGIN, place["h"] * ROW - MARGIN
    title = escape(panel["title"])
    if panel["type"] == "row":
        return f'<text x="{left + 4}" y="{top + 22}" font-size="15" font-weight="bold">{title}</text>'
    factor, unit = UNITS.get(panel["fieldConfig"]["defaults"].get("unit", ""), (1, ""))
    parts = [
        f'<rect x="{left}" y="{top}" width="{wide}" height="{high}" rx="4" fill="white" stroke="#ddd"/>',
        f'<text x="{left + 10}" y="{top + 18}" font-size="12" font-weight="bold">{title}</text>',
    ]
    values = [value * factor for _, points in series for _, value in points]
    if not values:
        return "".join([*parts, f'<text x="{left + 10}" y="{top + 60}" font-size="13" fill="#999">no data</text>'])
    if panel["type"] == "stat":
        now = series[0][1][-1][1] * factor if series[0][1] else 0.0
        parts.append(f'<text x="{left + 10}" y="{top + 84}" font-size="40" fill="#1a7f37">{now:.4g}{unit}</text>')
        return "".join(parts)
    most = max(values) or 1.0
    bottom = top + high - FOOT

    def point(at: float, value: float) -> str:
        x = left + 60 + (at - began) / (ended - began) * (wide - 76)
        return f"{x:.1f},{bottom - value * factor / most * (high - HEAD - FOOT - 6):.1f}"

    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (high - HEAD - FOOT - 6)
        parts.append(
            f'<line x1="{left + 60}" x2="{left + wide - 16}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>'
            f'<text x="{left + 54}" y="{y + 4:.1f}" font-size="10" text-anchor="end">{most * share:.3g}{unit}</text>'
        )
    for number, (legend, points) in enumerate(series):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(point(at, value) for at, value in points)
        x, y = left + 12 + number % 3 * (wide / 3), bottom + 18 + number // 3 * 13
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
            f'<text x="{x:.0f}" y="{y}" font-size="10" fill="{colour}">{escape(legend)}</text>'
        )
    return "".join(parts)


async def picture(prometheus: Prometheus, began: float, path: Path) -> tuple[Path, list[str]]:
    """The file that was drawn, and the panels that had nothing to show."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    ended = time.time()
    drawn, empty = [], []
    for panel in panels:
        series = [] if panel["type"] == "row" else await answers(prometheus, panel, began, ended)
        if panel["type"] != "row" and not any(points for _, points in series):
            empty.append(panel["title"])
        drawn.append(panel_svg(panel, series, began, ended))
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels) * ROW + MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif">'
    background = f'<rect width="{WIDTH}" height="{height}" fill="#f4f5f7"/>'
    return draw("\n".join([head, background, *drawn, "</svg>"]), path), empty


async def show(asked: argparse.Namespace, broker: Broker, folder: Path) -> None:
    history = Timed()
    services = Services(broker.url.partition(",")[0], folder)
    clients = [PythonClient(f"client {n}", f"user.{n}", history) for n in range(20)]
    bound = bound_by(Management(broker.management_url), services.broker_url)
    try:
        async with (
            Fleet(services) as fleet,
            Stream(services.broker_url, fleet.balancer.url, clients, history, bound, 80.0) as stream,
        ):
            jobs = {
                "gateway": [f"127.0.0.1:{one.health_port}" for one in fleet.gateways],
                "dispatcher": [f"127.0.0.1:{one.health_port}" for one in fleet.dispatchers],
            }
            await spread(fleet.dispatchers)
            async with collecting(folder, jobs) as prometheus:
                began = time.time()
                await stream.flow(asked.seconds / 3)
                say("a client refuses what it gets")
                await clients[0].mode(Mode.REFUSE, reason="no room")
                await stream.flow(asked.seconds / 12)
                await clients[0].mode(Mode.CONFIRM)
                await stream.flow(asked.seconds / 6)
                say("a dispatcher is killed")
                fleet.dispatchers.pop().kill()
                await stream.flow(asked.seconds / 3)
                drawn, empty = await picture(prometheus, began, asked.out.resolve())
            say(f"{drawn}; without data: {', '.join(empty) or 'none'}")
    finally:
        for client in clients:
            await client.end()
        await services.end()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dashboard", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--out", type=Path, default=Path(".run/pictures/dashboard.png"))
    parser.add_argument("--broker", choices=[kind.value for kind in Kind], default=Kind.PRIVATE.value)
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="restante-dashboard-") as folder:
        broker = find(Path(folder), Kind(asked.broker), say)
        try:
            asyncio.run(show(asked, broker, Path(folder)))
        finally:
            broker.close()


if __name__ == "__main__":
    main()
