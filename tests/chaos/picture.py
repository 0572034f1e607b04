"""A picture of a chaos run: how late each message was, and what went wrong meanwhile. SVG, and PNG by Chromium."""

import math
import shutil
import subprocess
from pathlib import Path
from xml.sax.saxutils import escape

from tests.chaos.timeline import Mishap
from tests.support.chromium import NAMES

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 1500, 900, 300, 60, 330
"""Below the plot each mishap has a line of its own kind, whose name stands in the margin, clear of every bar."""

FASTEST_MS = 1.0
CHROMIUM_SECONDS = 120
COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#b9770e", "#7d3c98", "#117a65", "#873600", "#5d6d7e")


def svg(title: str, latencies: list[tuple[float, float]], mishaps: list[Mishap], seconds: float) -> str:
    """`latencies`: when a message was published, and how late it came, in seconds."""
    kinds = list(dict.fromkeys(mishap.kind for mishap in mishaps))
    row = 18
    plot_bottom = HEIGHT - BOTTOM
    height = plot_bottom + 60 + row * len(kinds)
    slowest = max([late for _, late in latencies], default=1.0) * 1000
    decades = math.log10(max(slowest, 10 * FASTEST_MS) / FASTEST_MS)

    def x(moment: float) -> float:
        return LEFT + (WIDTH - LEFT - 30) * moment / seconds

    def y(milliseconds: float) -> float:
        return plot_bottom - (plot_bottom - TOP) * math.log10(max(milliseconds, FASTEST_MS) / FASTEST_MS) / decades

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="30" font-size="18">{escape(title)}</text>',
    ]
    for decade in range(int(decades) + 1):
        level = FASTEST_MS * 10**decade
        label = f"{level:.0f} ms" if level < 1000 else f"{level / 1000:.0f} s"
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 30}" y1="{y(level):.1f}" y2="{y(level):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(level) + 4:.1f}" font-size="12" text-anchor="end">{label}</text>')
    for n in range(11):
        moment = seconds * n / 10
        where = f'x="{x(moment):.1f}" y="{plot_bottom + 20}" font-size="12" text-anchor="middle"'
        parts.append(f"<text {where}>{moment:.0f} s</text>")
    for mishap in mishaps:
        at = kinds.index(mishap.kind)
        colour = COLOURS[at % len(COLOURS)]
        wide = max(x(mishap.healed) - x(mishap.began), 2.0)
        line = plot_bottom + 40 + row * at
        parts.append(
            f'<rect x="{x(mishap.began):.1f}" y="{TOP}" width="{wide:.1f}" height="{plot_bottom - TOP}" '
            f'fill="{colour}" opacity="0.12"/>'
            f'<rect x="{x(mishap.began):.1f}" y="{line}" width="{wide:.1f}" height="{row - 5}" fill="{colour}"/>'
        )
    parts += [
        f'<circle cx="{x(start):.1f}" cy="{y(late * 1000):.1f}" r="1.3" fill="#222" opacity="0.5"/>'
        for start, late in latencies
    ]
    for at, kind in enumerate(kinds):
        line = plot_bottom + 40 + row * at
        colour = COLOURS[at % len(COLOURS)]
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - 30}" y1="{line + row - 4}" y2="{line + row - 4}" stroke="#eee"/>'
            f'<text x="{LEFT - 8}" y="{line + 11}" font-size="11" text-anchor="end" fill="{colour}">'
            f"{escape(kind)}</text>"
        )
    return "\n".join([*parts, "</svg>"])


def draw(svg_text: str, path: Path) -> Path:
    """The file that was made: `path` with .png, or with .svg where there is no Chromium."""
    drawing = path.with_suffix(".svg")
    drawing.write_text(svg_text)
    chromium = next((found for name in NAMES if (found := shutil.which(name))), None)
    if chromium is None:
        return drawing
    height = svg_text.split('height="', 1)[1].split('"', 1)[0]
    png = path.with_suffix(".png")
    subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--window-size={WIDTH},{height}",
            "--hide-scrollbars",
            f"--screenshot={png}",
            drawing.as_uri(),
        ],
        check=False,
        capture_output=True,
        timeout=CHROMIUM_SECONDS,
    )
    return png if png.exists() else drawing
