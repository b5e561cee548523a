"""Terminal recording as an SVG: each line appears at its time. Viewers without CSS animations show all lines. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PAUSE_S = 2.0
END_PAUSE_S = 4.0
_CHARACTER, _LINE, _MARGIN, _BAR = 8.4, 20, 16, 28
_COLOURS = {"Ready": "#3fb950", "Failed": "#f85149", "Importing": "#58a6ff", "Pending": "#d29922", "Queued": "#d29922"}
_PHASE = re.compile(rf"\b({'|'.join(_COLOURS)})\b")
_STYLE = """text { font: 14px ui-monospace, "DejaVu Sans Mono", monospace; fill: #c9d1d9; white-space: pre }
.command { fill: #8b949e }
@media (prefers-reduced-motion: reduce) { text { animation: none !important } }"""


@dataclass(frozen=True)
class Line:
    """A line of output, and when it came."""

    at_s: float
    text: str


def shortened(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with no pause longer than MAX_PAUSE_S, the first one half a second after the start."""
    at_s, moved = 0.5, []
    for before, line in pairwise([lines[0], *lines]) if lines else ():
        at_s += min(MAX_PAUSE_S, line.at_s - before.at_s)
        moved.append(Line(at_s, line.text))
    return moved


def render(command: str, lines: Sequence[Line]) -> str:
    """Return the SVG of a command with its output."""
    moved = shortened(lines)
    lasts_s = (moved[-1].at_s if moved else 0.0) + END_PAUSE_S
    rows = [f"$ {command}", *(line.text for line in moved)]
    width = round(2 * _MARGIN + _CHARACTER * max(map(len, rows)))
    height = _BAR + _MARGIN + _LINE * len(rows)
    frames = "\n".join(_frames(number, line.at_s / lasts_s * 100) for number, line in enumerate(moved, 1))
    texts = [_text(0, escape(rows[0]), 'class="command"')]
    for number, line in enumerate(moved, 1):
        texts.append(_text(number, _coloured(line.text), f'style="animation: line{number} {lasts_s:.1f}s infinite"'))
    dots = "".join(
        f'<circle cx="{_MARGIN + 16 * place}" cy="14" r="5" fill="{colour}"/>'
        for place, colour in enumerate(("#f85149", "#d29922", "#3fb950"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' role="img" aria-label="{escape(command)}">\n<style>\n{_STYLE}\n{frames}\n</style>\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>\n{dots}\n' + "\n".join(texts) + "\n</svg>\n"
    )


def _frames(number: int, percent: float) -> str:
    hidden, shown = f"0%, {percent:.2f}% {{ opacity: 0 }}", f"{percent + 0.01:.2f}%, 100% {{ opacity: 1 }}"
    return f"@keyframes line{number} {{ {hidden} {shown} }}"


def _text(number: int, content: str, attributes: str) -> str:
    height = _BAR + _LINE * (number + 1) - 6
    return f'<text x="{_MARGIN}" y="{height}" xml:space="preserve" {attributes}>{content}</text>'


def _coloured(text: str) -> str:
    return _PHASE.sub(lambda found: f'<tspan fill="{_COLOURS[found[1]]}">{found[1]}</tspan>', escape(text))
