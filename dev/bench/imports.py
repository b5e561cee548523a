"""`make bench-import`: source and store at 20 MB/s each and without limits, beside everyday tools in the same run.

BENCH_SIZE_MB=1000 takes another size than 200 MB, one round of each.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

from mediaimport_api.sidecar import Owner
from mediaimport_api.spec import Source, Spec
from mediaimport_api.task import TASK_VARIABLE, Task

from dev.bench import rivals
from dev.bench.figures import Bar, Figure, report
from dev.bench.runs import Bench, Run, median, timed
from dev.cluster.media import bigbuckbunny
from dev.loopback.bandwidth import running_toxiproxy, toxiproxy
from dev.loopback.certificate import Certificate
from dev.loopback.files import running_files
from dev.loopback.processes import START_TIMEOUT_S
from dev.loopback.store import running_store, versitygw

MEGABYTE = 1_000_000
SIZE_MB = int(os.environ.get("BENCH_SIZE_MB", "200"))
SIZE_BYTES = SIZE_MB * MEGABYTE
RATE_KB_PER_S = 20_000
ROUNDS, FAST_ROUNDS = (3, 5) if SIZE_MB <= 200 else (1, 1)  # noqa: PLR2004
START_ROUNDS = 7
LIMIT_S = SIZE_BYTES / (RATE_KB_PER_S * 1000)


def media_file(folder: Path) -> None:
    """Write a playable MP4 of exactly SIZE_BYTES: a short film and a `free` box that players pass over."""
    film = bigbuckbunny().read_bytes()
    padding = SIZE_BYTES - len(film)
    with (folder / "video.mp4").open("wb") as file:
        file.write(film + padding.to_bytes(4, "big") + b"free")
        for size in [MEGABYTE] * ((padding - 8) // MEGABYTE) + [(padding - 8) % MEGABYTE]:
            file.write(os.urandom(size))


def overlapped(bench: Bench) -> Run:
    """Run the importer, its prober beside it."""
    scratch = Path(tempfile.mkdtemp(dir=bench.folder))
    environment = importer_environment(bench, scratch, bench.source_url)
    prober = subprocess.Popen(
        [sys.executable, "-m", "mediaimport_importer.prober"], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not (scratch / "prober.sock").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return timed([sys.executable, "-m", "mediaimport_importer"], environment)
    finally:
        prober.terminate()
        prober.wait()


def importer_environment(bench: Bench, scratch: Path, url: str) -> dict[str, str]:
    """Return an importer's variables."""
    uid = str(uuid4())
    task = Task(
        owner=Owner(namespace="bench", name="bench", uid=uid),
        asset_id=uid,
        spec=Spec(source=Source(url=url)),
        run="",
        attempt=1,
        max_size_bytes=2 * SIZE_BYTES,
        deadline_seconds=600,
    )
    return bench.environment() | {
        TASK_VARIABLE: task.model_dump_json(by_alias=True, exclude_none=True),
        "SCRATCH_DIRECTORY": str(scratch),
        "SCRATCH_SIZE_BYTES": str(2 * SIZE_BYTES),
        "PROBER_SOCKET": str(scratch / "prober.sock"),
        "TERMINATION_MESSAGE_PATH": str(scratch / "result.json"),
        "SOURCE_ALLOWED_NETWORKS": "127.0.0.0/8",
        "SOURCE_ALLOWED_PORTS": url.rpartition(":")[2].partition("/")[0],
    }


def time_to_request_s(bench: Bench) -> float:
    """Return the time from the importer's start to the first byte of its request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/video.mp4"
        environment = importer_environment(bench, bench.folder, url)
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "mediaimport_importer"], env=environment, stdout=subprocess.DEVNULL
        )
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)
            waited_s = time.monotonic() - start
        process.kill()
        process.wait()
    return waited_s


def main() -> None:
    """Measure and report."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-import-")))
        certificate = Certificate.make(folder)
        (folder / "files").mkdir()
        media_file(folder / "files")
        files_port = stack.enter_context(running_files(folder / "files", certificate=certificate))
        program = versitygw()
        store = stack.enter_context(running_store(folder, program=program, certificate=certificate))
        limits = stack.enter_context(running_toxiproxy(folder, program=toxiproxy()))
        source_port = limits.limited(port=files_port, rate_kb_per_s=RATE_KB_PER_S)
        store_port = limits.limited(port=store.port, rate_kb_per_s=RATE_KB_PER_S)
        slow = Bench(folder, certificate, store, f"https://127.0.0.1:{source_port}/video.mp4", store_port)
        fast = Bench(folder, certificate, store, f"https://127.0.0.1:{files_port}/video.mp4", store.port)
        report("import", [*limited(slow), *unlimited(fast), start(fast)])


def limited(bench: Bench) -> list[Figure]:
    """Return the figures where the network is the limit."""
    ours, sequential, piped = (
        median([run(bench) for _ in range(ROUNDS)]) for run in (overlapped, rivals.in_turn, rivals.piped)
    )
    figures = [
        Figure(f"import, {SIZE_MB} MB, both legs at 20 MB/s", ours.wall_s, "s", LIMIT_S),
        Figure("the same in turn", sequential.wall_s, "s", 2 * LIMIT_S),
        Figure("the same by curl | tee | aws s3 cp -", piped.wall_s, "s", LIMIT_S),
        Figure("import over the slower leg", ours.wall_s / LIMIT_S, "x", 1, Bar(1.10)),
        Figure("in turn over import", sequential.wall_s / ours.wall_s, "x", None, Bar(1.8, at_most=False)),
        Figure("importer's peak memory", ours.peak_mb, "MB", None, Bar(100)),
    ]
    if rivals.RCLONE:
        copied = median([rivals.copied(bench) for _ in range(ROUNDS)])
        figures.append(Figure("rclone copyurl (transfer only)", copied.wall_s, "s", LIMIT_S))
    return figures


def unlimited(bench: Bench) -> list[Figure]:
    """Return the figures where the processors are; the contestants take turns."""
    pairs = [(overlapped(bench), rivals.piped(bench)) for _ in range(FAST_ROUNDS)]
    ours, piped = median([pair[0] for pair in pairs]), median([pair[1] for pair in pairs])
    return [
        Figure(f"import, {SIZE_MB} MB, no limits", ours.wall_s, "s"),
        Figure("the same by curl | tee | aws s3 cp -", piped.wall_s, "s"),
        Figure("import over that pipe", ours.wall_s / piped.wall_s, "x", None, Bar(1)),
        Figure("importer's peak memory, no limits", ours.peak_mb, "MB", None, Bar(100)),
    ]


def start(bench: Bench) -> Figure:
    """Return the figure of the importer's start."""
    waits_s = sorted(time_to_request_s(bench) for _ in range(START_ROUNDS))
    return Figure("start to first byte requested", waits_s[START_ROUNDS // 2], "s", None, Bar(0.3))


if __name__ == "__main__":
    main()
