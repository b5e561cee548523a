"""`make bench-probe`: time and memory of the probe and the thumbnail, for files that cost the most."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyvips
from mediaimport_prober.__main__ import load_libvips
from mediaimport_prober.protocol import PacketsRequest, ProbeRequest, ThumbnailRequest
from mediaimport_prober.tools import Tools

from dev.bench.figures import Bar, Figure, Sheet, report
from tests.support.heif_grid import Tile, grid_of

if TYPE_CHECKING:
    from mediaimport_prober.protocol import Request

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none")
SMALL = "small JPEG", "small PNG", "small WebP"
PICTURES = ("20000 x 14000 JPEG", "gain-map JPEG, 12 MP", "AVIF grid, 16 MP", "SVG")
SMALL_BAR, MEMORY_BAR = Bar(0.06), Bar(256)
"""Seconds of probe and thumbnail, one after the other; megabytes of either."""
_TIMES = 7
"""A prober that runs already, as it does when an import asks it, has paid for its own first request."""
VP8 = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "16", "-b:v", "200M", "-minrate", "200M")


def make(file: Path, *arguments: str) -> None:
    """Make a file with ffmpeg."""
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments, str(file)], check=True)


def picture(size: str, seconds: float, rate: int = 24) -> tuple[str, ...]:
    """Return ffmpeg's arguments for a test picture."""
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}")


def files(folder: Path, *, webm_gb: int) -> dict[str, Path]:
    """Make all files; their names are plain, as the prober wants them."""
    paths = pictures(folder) | {
        "1080p H.264, 10 s": folder / "h264",
        "4K HEVC, 1 s": folder / "hevc",
        "60 MP JPEG": folder / "jpeg",
        "2 h MP4": folder / "long",
        f"{webm_gb} GB WebM without duration": folder / "webm",
    }
    h264, hevc, jpeg, long, webm = list(paths.values())[-5:]
    make(h264, *picture("1920x1080", 10), *H264, "-f", "mp4")
    make(hevc, *picture("3840x2160", 1), *HEVC, "-f", "mp4")
    make(jpeg, *picture("9000x6700", 1, 1), "-frames:v", "1", "-f", "mjpeg")
    minute = folder / "minute.mp4"
    make(minute, *picture("320x180", 60), *H264)
    make(long, "-stream_loop", "119", "-i", str(minute), "-c", "copy", "-f", "mp4")
    noise = folder / "noise.webm"
    make(noise, "-f", "lavfi", "-i", "nullsrc=s=1280x720:r=24:d=2,geq=random(1)*255:128:128", *VP8)
    size = str(webm_gb * 1_000_000_000)
    make(webm, "-stream_loop", "-1", "-i", str(noise), "-c", "copy", "-fs", size, "-live", "1", "-f", "webm")
    return paths


def pictures(folder: Path) -> dict[str, Path]:
    """Make the still pictures that cost the most, and small ones."""
    names = ("small-jpeg", "small-png", "small-webp", "huge", "gain-map", "grid", "drawing")
    paths = {label: folder / name for label, name in zip((*SMALL, *PICTURES), names, strict=True)}
    *small, huge, gain_map, grid, drawing = paths.values()
    for file, form in zip(small, (("-f", "mjpeg"), ("-f", "image2", "-c:v", "png"), ("-f", "webp")), strict=True):
        make(file, *picture("640x360", 1, 1), "-frames:v", "1", *form)
    huge.write_bytes(_photograph(20_000, 14_000).jpegsave_buffer(Q=80))
    gain_map.write_bytes(_photograph(4000, 3000).colourspace("scrgb").uhdrsave_buffer())
    tile = _photograph(2048, 2048).heifsave_buffer(compression="av1", effort=0, keep="none")
    grid.write_bytes(grid_of([Tile.of_avif(tile)] * 4, columns=2, rows=2))
    circles = "".join(f'<circle cx="{n % 640}" cy="{n % 360}" r="{n % 40}" fill="#{n * 97:06x}"/>' for n in range(2000))
    drawing.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="360">{circles}</svg>')
    return paths


def _photograph(width: int, height: int) -> pyvips.Image:
    """Return a picture that compresses as photographs do."""
    rough = pyvips.Image.gaussnoise(width // 8, height // 8, mean=128, sigma=60).cast("uchar")
    return rough.resize(8).bandjoin([rough.resize(8).invert(), 90]).copy(interpretation="srgb")


def measured(file: Path, operation: str, *, times: int) -> tuple[float, float]:
    """Return seconds (median) and megabytes (most) of a request, in a process whose children are its tools alone."""
    command = [sys.executable, "-m", "dev.bench.importer.probe", str(file), operation, str(times)]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return answer["wall_s"], answer["peak_mb"]


def ask(file: Path, operation: str, times: int) -> dict[str, float]:
    """Return what a request costs a prober that has loaded libvips, made so many times."""
    load_libvips()
    requests: dict[str, Request] = {
        "probe": ProbeRequest(file=file.name),
        "packets": PacketsRequest(file=file.name),
        "thumbnail": ThumbnailRequest(file=file.name, width_pixels=320),
    }
    walls_s = [_wall_s(file, requests[operation]) for _ in range(times)]
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    return {"wall_s": statistics.median(walls_s), "peak_mb": peak_mb}


def _wall_s(file: Path, request: Request) -> float:
    started = time.monotonic()
    response, _ = Tools(file.parent).answer(request)
    wall_s = time.monotonic() - started
    if response.failure is not None:
        sys.exit(f"{request.operation} of {file.name}: {response.failure}")
    return wall_s


def main() -> Sheet:
    """Measure and report."""
    figures, started = [], time.monotonic()
    webm_gb = int(os.environ.get("BENCH_WEBM_GB", "2"))
    with tempfile.TemporaryDirectory(prefix="bench-probe-") as folder:
        for name, file in files(Path(folder), webm_gb=webm_gb).items():
            # Where no duration is written, all packets are read for it.
            counting = ("packets",) if "without duration" in name else ()
            bar, both_s = MEMORY_BAR if name in PICTURES else None, 0.0
            for operation in ("probe", *counting, "thumbnail"):
                wall_s, peak_mb = measured(file, operation, times=_TIMES if name in SMALL else 1)
                both_s += wall_s
                figures.append(Figure(f"{name}: {operation}", wall_s, "s"))
                figures.append(Figure(f"{name}: {operation}, memory", peak_mb, "MB", bar=bar))
            if name in SMALL:
                figures.append(Figure(f"{name}: probe and thumbnail", both_s, "s", bar=SMALL_BAR))
    sheet = report("probe", figures, form={"WebM GB": webm_gb})
    print(f"measured in {time.monotonic() - started:.0f} s")
    return sheet


if __name__ == "__main__":
    print(json.dumps(ask(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
