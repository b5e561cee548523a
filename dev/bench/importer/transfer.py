"""`make bench-import`: source and store at 20 MB/s each and without limits, and everyday tools in the same run.

Its last rows flip one byte at each hand-over.

BENCH_SIZE_MB=1000 takes another size than 200 MB, one round of each, into build/bench/import-1000.json. About four
minutes, six for 1 GB; on the disk, three times the size.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import botocore
from mediaimport_api.names import TASK_VARIABLE
from mediaimport_api.sidecar import Owner
from mediaimport_api.spec import Source, Spec
from mediaimport_api.task import Task

from dev.bench.figures import Bar, Figure, Sheet, report
from dev.bench.importer import baselines
from dev.bench.importer.handovers import flips
from dev.bench.importer.runs import Bench, Run, median, timed
from dev.cluster.cache import CHECKOUT
from tests.support.downloads import bigbuckbunny
from tests.support.loopback.bandwidth import running_toxiproxy, toxiproxy
from tests.support.loopback.certificate import Certificate
from tests.support.loopback.files import running_files
from tests.support.loopback.processes import START_TIMEOUT_S
from tests.support.loopback.store import running_store, versitygw

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = 1_000_000
USUAL_MB = 200
RATE_KB_PER_S = 20_000
START_ROUNDS = 7
_SDK_DATA = "sdk-data"


@dataclass(frozen=True)
class Plan:
    """Size of the file and number of rounds."""

    size_mb: int

    @property
    def name(self) -> str:
        """Return the name of the file of figures."""
        return "import" if self.size_mb == USUAL_MB else f"import-{self.size_mb}"

    @property
    def rounds(self) -> tuple[int, int]:
        """Return how many rounds there are with limits and without."""
        return (3, 5) if self.size_mb <= USUAL_MB else (1, 1)

    @property
    def limit_s(self) -> float:
        """Return how long one leg takes at the very least."""
        return self.size_mb * 1000 / RATE_KB_PER_S


def keep_services(folder: Path) -> None:
    """Write what botocore reads first into the folder of a run: the endpoints that the image keeps."""
    kept = folder / _SDK_DATA
    kept.mkdir()
    shutil.copy(Path(botocore.__file__).parent / "data/endpoints.json", kept)
    subprocess.run([sys.executable, CHECKOUT / "dev/image/keep-services.py", kept], check=True)


def media_file(folder: Path, size_bytes: int) -> None:
    """Write a playable MP4 of exactly that size: a short film and a `free` box that players pass over."""
    film = bigbuckbunny().read_bytes()
    padding = size_bytes - len(film)
    with (folder / "video.mp4").open("wb") as file:
        file.write(film + padding.to_bytes(4, "big") + b"free")
        for size in [MEGABYTE] * ((padding - 8) // MEGABYTE) + [(padding - 8) % MEGABYTE]:
            file.write(os.urandom(size))


def overlapped(bench: Bench) -> Run:
    """Run the importer with its prober."""
    scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=bench.folder))
    environment = importer_environment(bench, scratch, bench.source_url)
    prober = subprocess.Popen([sys.executable, "-m", "mediaimport_prober"], env=environment, stdout=subprocess.DEVNULL)
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
        max_size_bytes=2 * bench.size_bytes,
        deadline_seconds=3600,
    )
    return bench.environment() | {
        TASK_VARIABLE: task.model_dump_json(by_alias=True, exclude_none=True),
        "AWS_DATA_PATH": str(bench.folder / _SDK_DATA),
        "SCRATCH_DIRECTORY": str(scratch),
        "SCRATCH_SIZE_BYTES": str(2 * bench.size_bytes),
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


def main() -> Sheet:
    """Measure and report."""
    plan, started = Plan(int(os.environ.get("BENCH_SIZE_MB", str(USUAL_MB)))), time.monotonic()
    size_bytes = plan.size_mb * MEGABYTE
    if shutil.disk_usage(tempfile.gettempdir()).free < 4 * size_bytes:
        sys.exit(f"{tempfile.gettempdir()} has no room for three files of {plan.size_mb} MB; set TMPDIR")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-import-")))
        certificate = Certificate.make(folder)
        (folder / "files").mkdir()
        keep_services(folder)
        media_file(folder / "files", size_bytes)
        files_port = stack.enter_context(running_files(folder / "files", certificate=certificate))
        program = versitygw()
        store = stack.enter_context(running_store(folder, program=program, certificate=certificate))
        limits = stack.enter_context(running_toxiproxy(folder, program=toxiproxy()))
        source_port = limits.limited(port=files_port, rate_kb_per_s=RATE_KB_PER_S)
        store_port = limits.limited(port=store.port, rate_kb_per_s=RATE_KB_PER_S)
        slow = Bench(folder, certificate, store, f"https://127.0.0.1:{source_port}/video.mp4", store_port, size_bytes)
        fast = Bench(folder, certificate, store, f"https://127.0.0.1:{files_port}/video.mp4", store.port, size_bytes)
        figures = [*limited(slow, plan), *unlimited(fast, plan), start(fast)]
        figures += flips(folder / "flips", store, bigbuckbunny().read_bytes())
        sheet = report(plan.name, figures, form={"MB": plan.size_mb})
    print(f"measured in {time.monotonic() - started:.0f} s")
    return sheet


def run(contestant: Callable[[Bench], Run], bench: Bench) -> Run:
    """Run one contestant on a store without objects."""
    bench.clear()
    return contestant(bench)


def limited(bench: Bench, plan: Plan) -> list[Figure]:
    """Return the figures where the network is the limit."""
    rounds, limit_s = plan.rounds[0], plan.limit_s
    source, store, ours, sequential, piped = (
        median([run(contestant, bench) for _ in range(rounds)])
        for contestant in (baselines.source_leg, baselines.store_leg, overlapped, baselines.in_turn, baselines.piped)
    )
    leg_s = max(source.wall_s, store.wall_s)
    figures = [
        Figure("the source's leg alone", source.wall_s, "s", limit_s),
        Figure("the store's leg alone", store.wall_s, "s", limit_s),
        Figure(f"import, {plan.size_mb} MB, both legs at 20 MB/s", ours.wall_s, "s", leg_s),
        Figure("the same in turn", sequential.wall_s, "s", source.wall_s + store.wall_s),
        Figure("the same by curl | tee | aws s3 cp -", piped.wall_s, "s", leg_s),
        Figure("import over the slower leg", ours.wall_s / limit_s, "x", 1, Bar(1.05)),
        Figure("import over the slower leg as measured", ours.wall_s / leg_s, "x", 1, Bar(1.05)),
        Figure("in turn over import", sequential.wall_s / ours.wall_s, "x", None, Bar(1.8, at_most=False)),
        Figure("importer's peak memory", ours.peak_mb, "MB", None, Bar(75)),
    ]
    copied = median([run(baselines.copied, bench) for _ in range(rounds)])
    return [*figures, Figure("rclone copyurl (transfer only)", copied.wall_s, "s", leg_s)]


def unlimited(bench: Bench, plan: Plan) -> list[Figure]:
    """Return the figures where the processors are; the contestants take turns."""
    pairs = [(run(overlapped, bench), run(baselines.piped, bench)) for _ in range(plan.rounds[1])]
    ours, piped = median([pair[0] for pair in pairs]), median([pair[1] for pair in pairs])
    return [
        Figure(f"import, {plan.size_mb} MB, no limits", ours.wall_s, "s"),
        Figure("the same by curl | tee | aws s3 cp -", piped.wall_s, "s"),
        Figure("import over that pipe", ours.wall_s / piped.wall_s, "x", None, Bar(1)),
        Figure("importer's peak memory, no limits", ours.peak_mb, "MB", None, Bar(75)),
    ]


def start(bench: Bench) -> Figure:
    """Return the figure of the importer's start."""
    waits_s = sorted(time_to_request_s(bench) for _ in range(START_ROUNDS))
    return Figure("start to first byte requested", waits_s[START_ROUNDS // 2], "s", None, Bar(0.15))


if __name__ == "__main__":
    main()
