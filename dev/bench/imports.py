"""`make bench-import`: 200 MB with source and store at 20 MB/s each, beside the sequential way and the limit."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from mediaimport_api.sidecar import Owner
from mediaimport_api.spec import Source, Spec
from mediaimport_api.task import TASK_VARIABLE, Task

from dev.bench.figures import Bar, Figure, report
from dev.cluster.media import bigbuckbunny
from dev.loopback.bandwidth import running_toxiproxy, toxiproxy
from dev.loopback.certificate import Certificate
from dev.loopback.files import running_files
from dev.loopback.processes import START_TIMEOUT_S
from dev.loopback.store import BUCKET, Store, running_store, versitygw

SIZE_BYTES = 200_000_000
RATE_KB_PER_S = 20_000
ROUNDS = 3
MEGABYTE = 1_000_000
LIMIT_S = SIZE_BYTES / (RATE_KB_PER_S * 1000)
SAME_S3 = "import sys, dev.bench.imports as bench; bench.upload(*sys.argv[1:])"


@dataclass(frozen=True)
class Bench:
    """Where everything is. The two URLs lead through the limits, when there are any."""

    folder: Path
    certificate: Certificate
    store: Store
    source_url: str
    store_port: int

    def environment(self) -> dict[str, str]:
        """Return the variables with which every contestant runs: one authority to trust, one store."""
        return {
            **os.environ,
            **self.store.variables(port=self.store_port),
            "SSL_CERT_FILE": str(self.certificate.authority),
            "CURL_CA_BUNDLE": str(self.certificate.authority),
        }


@dataclass(frozen=True)
class Run:
    """One contestant's time and its own greatest memory."""

    wall_s: float
    peak_mb: float


def timed(command: list[str], environment: dict[str, str]) -> Run:
    """Run a program to its end; its words appear only if it fails."""
    peak_kb = 0
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        while process.poll() is None:
            peak_kb = max(peak_kb, high_water_kb(process.pid))
            time.sleep(0.01)
        wall_s = time.monotonic() - start
        if process.returncode:
            output.seek(0)
            sys.exit(f"{command[0]} ended with {process.returncode}:\n{output.read()[-3000:].decode(errors='replace')}")
    return Run(wall_s, peak_kb * 1024 / 1e6)


def high_water_kb(pid: int) -> int:
    """Return a process's greatest resident memory so far; 0 when it has just ended.

    Not from its rusage: that counts what the parent held before exec.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1])


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
    uid = str(uuid4())
    task = Task(
        owner=Owner(namespace="bench", name="bench", uid=uid),
        asset_id=uid,
        spec=Spec(source=Source(url=bench.source_url)),
        run="",
        attempt=1,
        max_size_bytes=2 * SIZE_BYTES,
        deadline_seconds=600,
    )
    environment = bench.environment() | {
        TASK_VARIABLE: task.model_dump_json(by_alias=True, exclude_none=True),
        "SCRATCH_DIRECTORY": str(scratch),
        "SCRATCH_SIZE_BYTES": str(2 * SIZE_BYTES),
        "PROBER_SOCKET": str(scratch / "prober.sock"),
        "TERMINATION_MESSAGE_PATH": str(scratch / "result.json"),
        "SOURCE_ALLOWED_NETWORKS": "127.0.0.0/8",
        "SOURCE_ALLOWED_PORTS": bench.source_url.rpartition(":")[2].partition("/")[0],
    }
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


def in_turn(bench: Bench) -> Run:
    """Download, hash, probe, make the thumbnail, upload: each after the other, with everyday tools."""
    file, thumbnail = bench.folder / "sequential.mp4", bench.folder / "sequential.jpg"
    commands = [
        ["curl", "--silent", "--show-error", "--fail", "--output", str(file), bench.source_url],
        ["sha256sum", str(file)],
        ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(file)],
        ["ffmpeg", "-v", "error", "-y", "-i", str(file), "-frames:v", "1", "-vf", "scale=320:-2", str(thumbnail)],
        [sys.executable, "-c", SAME_S3, str(file), str(bench.store_port), str(bench.certificate.authority)],
    ]
    runs = [timed(command, bench.environment()) for command in commands]
    return Run(sum(run.wall_s for run in runs), max(run.peak_mb for run in runs))


def upload(file: str, port: str, authority: str) -> None:
    """Put a file into the store over one connection: each one has the whole bandwidth limit to itself."""
    certificate = Certificate(Path(authority), Path(authority), Path(authority))
    with Path(file).open("rb") as body:
        Store(int(port), certificate).client().put_object(Bucket=BUCKET, Key=f"sequential/{uuid4()}.mp4", Body=body)


def median(runs: list[Run]) -> Run:
    """Return the run in the middle by time, with the greatest memory of all."""
    middle = sorted(runs, key=lambda run: run.wall_s)[len(runs) // 2]
    return Run(middle.wall_s, max(run.peak_mb for run in runs))


def main() -> None:
    """Measure and report."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-import-")))
        certificate = Certificate.make(folder)
        (folder / "files").mkdir()
        media_file(folder / "files")
        files_port = stack.enter_context(running_files(folder / "files", certificate=certificate))
        program = versitygw(os.environ)
        store = stack.enter_context(running_store(folder, program=program, certificate=certificate))
        limits = stack.enter_context(running_toxiproxy(folder, program=toxiproxy(os.environ)))
        source_port = limits.limited(port=files_port, rate_kb_per_s=RATE_KB_PER_S)
        store_port = limits.limited(port=store.port, rate_kb_per_s=RATE_KB_PER_S)
        bench = Bench(folder, certificate, store, f"https://127.0.0.1:{source_port}/video.mp4", store_port)
        ours = median([overlapped(bench) for _ in range(ROUNDS)])
        sequential = median([in_turn(bench) for _ in range(ROUNDS)])
    report(
        "import",
        [
            Figure("import, 200 MB, both legs at 20 MB/s", ours.wall_s, "s", LIMIT_S),
            Figure("the same in turn", sequential.wall_s, "s", 2 * LIMIT_S),
            Figure("import over the slower leg", ours.wall_s / LIMIT_S, "x", 1, Bar(1.10)),
            Figure("in turn over import", sequential.wall_s / ours.wall_s, "x", None, Bar(1.8, at_most=False)),
            Figure("importer's peak memory", ours.peak_mb, "MB", None, Bar(100)),
        ],
    )


if __name__ == "__main__":
    main()
