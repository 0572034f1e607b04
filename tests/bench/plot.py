"""The most telling figures as a picture: bars in a page that Chromium photographs."""

import html
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import run

from tests.bench.record import Record
from tests.support.chromium import FLAGS, NAMES

WIDTH, ROW_HEIGHT, CHART_HEIGHT, HEAD_HEIGHT = 1200, 22, 50, 100
PHOTO_SECONDS = 60.0
COLOURS = ("#2f6f9f", "#7fb3d5", "#d98b3a", "#b8b8b8")
CPU = (("gateway_us", "gateway"), ("dispatcher_us", "dispatcher"), ("servers_us", "server"), ("broker_us", "broker"))

STYLE = """body { font: 14px sans-serif; margin: 24px; color: #222 }
h1 { font-size: 20px } h2 { font-size: 15px; margin: 22px 0 6px } p { color: #666; margin: 4px 0 }
.row { display: flex; align-items: center; height: 22px } .name { width: 230px; text-align: right; padding-right: 10px }
.bar { height: 15px } .figure { padding-left: 8px; white-space: nowrap; color: #444 }
.key { display: inline-block; width: 11px; height: 11px; margin: 0 5px 0 14px }"""

Row = tuple[str, list[float], str]
"""Name, parts of the bar, and what is written behind it."""


def plot(record: Record, file: Path) -> Path | None:
    """None where no Chromium is installed."""
    browser = next((path for name in NAMES if (path := shutil.which(name))), None)
    if browser is None:
        return None
    with tempfile.TemporaryDirectory(prefix="restante-plot-") as folder:
        page = Path(folder) / "page.html"
        text = _page(record)
        page.write_text(text)
        height = HEAD_HEIGHT + text.count("<h2>") * CHART_HEIGHT + text.count("<div class=row>") * ROW_HEIGHT
        command = [browser, *FLAGS, "--headless", "--hide-scrollbars", f"--user-data-dir={folder}/profile"]
        more = [f"--window-size={WIDTH},{height}", f"--screenshot={file.resolve()}", page.as_uri()]
        run([*command, *more], check=True, capture_output=True, timeout=PHOTO_SECONDS)
    return file


def _page(record: Record) -> str:
    about = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in record.machine.items())
    charts = (_speed(record), _cost(record), _latency(record), _storm(record), _more(record))
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><h1>restante: {_medians(record)}</h1>"
        f"<p>{html.escape(about)}</p>{''.join(charts)}"
    )


def _medians(record: Record) -> str:
    runs = record.machine.get("runs", 1)
    return f"medians of {runs} runs" if runs != 1 else "one run"


def _speed(record: Record) -> str:
    rows: list[Row] = []
    for phase, system in record.rows("drain"):
        least, most = record.range(phase, system, "per_second")
        value = record.median(phase, system, "per_second") or 0.0
        rows.append((system, [value], f"{value:,.0f} ({least:,.0f} to {most:,.0f})"))
    return _chart("Backlog: confirmed deliveries a second", rows)


def _cost(record: Record) -> str:
    rows: list[Row] = []
    for phase, system in record.rows("drain"):
        own = record.median(phase, system, "gateway_us") is not None
        parts = [
            0.0 if key == "servers_us" and own else record.median(phase, system, key) or 0.0
            for key, _ in CPU
        ]  # fmt: skip
        rows.append((system, parts, f"{sum(parts):.0f} us"))
    return _chart("Backlog: CPU for each delivery, microseconds", rows, [name for _, name in CPU])


def _latency(record: Record) -> str:
    rows: list[Row] = []
    for phase, system in record.rows("steady"):
        p50 = record.median(phase, system, "received_p50_ms") or 0.0
        p99 = record.median(phase, system, "received_p99_ms") or 0.0
        rows.append((f"{phase.removeprefix('steady ')}, {system}", [p50, p99 - p50], f"{p50:.2f}, {p99:.1f} ms"))
    return _chart("Steady rate: published until received, milliseconds", rows, ["p50", "p99"])


def _storm(record: Record) -> str:
    rows: list[Row] = []
    for phase, system in record.rows("storm"):
        for name in ("first", "median", "last"):
            value = record.median(phase, system, f"{name}_seconds") or 0.0
            rows.append((f"{phase}, {name}", [value], f"{value:.2f} s"))
    return _chart("Storm: seconds until a client is back and caught up", rows)


def _more(record: Record) -> str:
    """Whether it grows with services, and with users who are away."""
    charts = []
    titles = {
        "scale out": "Dispatchers + gateways",
        "absent users": "Users who are away",
        "costs": "With a part of it taken out",
    }
    for phase, title in titles.items():
        rows: list[Row] = []
        for found, system in record.rows(phase):
            parts = [record.median(found, system, key) or 0.0 for key, _ in CPU if key != "servers_us"]
            speed = record.median(found, system, "per_second") or 0.0
            rows.append((system, [*parts[:2], 0.0, *parts[2:]], f"{sum(parts):.0f} us, {speed:,.0f}/s"))
        charts.append(_chart(f"{title}: CPU for each delivery, microseconds", rows, [name for _, name in CPU]))
    return "".join(charts)


def _chart(title: str, rows: Sequence[Row], keys: Sequence[str] = ()) -> str:
    if not rows:
        return ""
    most = max(sum(parts) for _, parts, _ in rows) or 1.0
    legend = "".join(
        f'<span class=key style="background:{colour}"></span>{html.escape(key)}'
        for key, colour in zip(keys, COLOURS, strict=False)
    )
    lines = []
    for name, parts, figure in rows:
        bars = "".join(
            f'<div class=bar style="width:{part / most * 680:.1f}px;background:{colour}"></div>'
            for part, colour in zip(parts, COLOURS, strict=False)
        )
        lines.append(
            f"<div class=row><div class=name>{html.escape(name)}</div>{bars}"
            f"<div class=figure>{html.escape(figure)}</div></div>"
        )
    return f"<h2>{html.escape(title)}{legend}</h2>{''.join(lines)}"
