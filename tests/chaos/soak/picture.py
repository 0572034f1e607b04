"""A picture of a soak: memory, files and tasks of each process, and what the broker holds, over time. SVG."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from tests.chaos.picture import COLOURS
from tests.chaos.soak.series import BROKER, COUNTED, TEST, Sample
from tests.chaos.timeline import Mishap

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 1500, 210, 70, 270, 60, 50


def svg(title: str, samples: Sequence[Sample], mishaps: Sequence[Mishap]) -> str:
    """One panel below the other; a thin stripe where something went wrong."""
    panels = [("MB resident", "memory"), ("open files", "files"), ("tasks", "tasks"), ("held by the broker", "")]
    height = TOP + len(panels) * (PANEL + GAP) + 20
    end = max([sample.at for sample in samples], default=1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="30" font-size="18">{escape(title)}</text>',
    ]
    for number, (name, what) in enumerate(panels):
        parts += _panel(name, what, samples, mishaps, TOP + number * (PANEL + GAP), end)
    return "\n".join([*parts, "</svg>"])


def _panel(
    name: str, what: str, samples: Sequence[Sample], mishaps: Sequence[Mishap], top: float, end: float
) -> list[str]:
    places = [
        place
        for place in (samples[0].values if samples else {})
        if (place[1] == what and place[0] != TEST if what else place[0] == BROKER and place[1] in COUNTED)
    ]
    most = max([sample.values[place] for sample in samples for place in places], default=1.0) * 1.05 or 1.0

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at / end

    def y(value: float) -> float:
        return top + PANEL * (1 - value / most)

    parts = [f'<text x="{LEFT}" y="{top - 6}" font-size="13">{escape(name)}</text>']
    for tenth in range(0, 11, 2):
        level = most * tenth / 10
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{y(level) + 4:.1f}" font-size="11" text-anchor="end">{level:.0f}</text>'
            f'<text x="{x(end * tenth / 10):.1f}" y="{top + PANEL + 16}" font-size="11" text-anchor="middle">'
            f"{end * tenth / 10:.0f} s</text>"
        )
    parts += [
        f'<rect x="{x(mishap.began):.1f}" y="{top}" height="{PANEL}" fill="#c0392b" opacity="0.15" '
        f'width="{max(x(min(mishap.healed or end, end)) - x(mishap.began), 1.0):.1f}"/>'
        for mishap in mishaps
    ]
    for number, place in enumerate(places):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{x(sample.at):.1f},{y(sample.values[place]):.1f}" for sample in samples)
        label = place[0] if what else place[1]
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
            f'<text x="{WIDTH - RIGHT + 12}" y="{top + 14 + 18 * number}" font-size="12" fill="{colour}">'
            f"{escape(label)} ({samples[-1].values[place]:.0f})</text>"
        )
    return parts
