"""The recording: lines with their times, and the SVG that they become."""

from __future__ import annotations

import os
import re
import sys
import xml.etree.ElementTree as ET

import pyvips

from dev.cluster.waiting import until
from dev.record.__main__ import watching
from dev.record.svg import END_PAUSE_S, Line, render, shortened

SVG = "{http://www.w3.org/2000/svg}"
LINES = [
    Line(3.0, "NAME        PHASE       PROGRESS   TYPE    SIZE      DURATION   AGE"),
    Line(3.1, "gen-5f21a   Pending                                             0s"),
    Line(4.0, "gen-5f21a   Importing   40%        video                        1s"),
    Line(60.0, "gen-5f21a   Ready                  video   1.1 MiB   5.3s       3s"),
]


def test_lines_keep_their_rhythm_without_long_pauses() -> None:
    assert [round(line.at_s, 1) for line in shortened(LINES)] == [0.5, 0.6, 1.5, 3.5]
    assert shortened([]) == []


def test_every_line_appears_at_its_time_and_keeps_its_columns() -> None:
    svg = render("kubectl get mediaimports --watch-only", LINES)

    texts = ["".join(each.itertext()) for each in ET.fromstring(svg).iter(f"{SVG}text")]  # noqa: S314 - our own
    assert texts == ["$ kubectl get mediaimports --watch-only", *(line.text for line in LINES)]
    percents = [float(each) for each in re.findall(r"0%, ([\d.]+)% \{ opacity: 0", svg)]
    assert percents == [round(at_s / (3.5 + END_PAUSE_S) * 100, 2) for at_s in (0.5, 0.6, 1.5, 3.5)]


def test_markup_of_the_output_is_escaped() -> None:
    svg = render("a < b", [Line(0, "<script>&")])

    assert "<script>" not in svg
    assert [each.text for each in ET.fromstring(svg).iter(f"{SVG}text")] == ["$ a < b", "<script>&"]  # noqa: S314 - our own


def test_viewer_without_animations_shows_the_whole_output() -> None:
    svg = render("kubectl get mediaimports --watch-only", LINES).encode()

    picture = pyvips.Image.svgload_buffer(svg)

    lighter = (picture[0] > 100).avg()
    without = (pyvips.Image.svgload_buffer(re.sub(rb"<text.*?</text>", b"", svg))[0] > 100).avg()
    assert lighter > without + 5


def test_lines_of_a_command_are_recorded_until_the_block_ends() -> None:
    program = "import time; print('one', flush=True); print('two  ', flush=True); time.sleep(600)"

    with watching([sys.executable, "-c", program], os.environ) as lines:
        until(lambda: len(lines) == 2, what="two lines", timeout_s=60)

    assert [line.text for line in lines] == ["one", "two"]
    assert 0 <= lines[0].at_s <= lines[1].at_s
