"""`python -m dev.trial [--url URL]`: exit 0 only if every claim holds; nothing keeps running."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_api.spec import Source
from mediaimport_prober import landlock
from pydantic import ValidationError

from dev.demo.output import Output
from dev.trial import attempt, evidence, media
from dev.trial.media import TrialError
from tests.support.loopback.certificate import Certificate
from tests.support.loopback.seaweed import running_seaweed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dev.trial.evidence import Evidence

FOLDER = Path("build/try")
DIFFERENT = """\
Importer and prober run as you, on one file system and one network. In a cluster each has a container, a user id and a
memory limit of its own; a NetworkPolicy restricts the pod, and the prober's container has neither keys nor network."""


def main(arguments: Sequence[str]) -> int:
    """Run the trial; return the exit status."""
    options = _parser().parse_args(arguments)
    _check(options.url)
    output = Output(sys.stdout)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="mediaimport-try-") as folder:
        found = _imported(options.url, Path(folder), options.folder, output)
    output.show("Claims", "\n".join(map(str, found.claims())))
    output.show("What a cluster adds", f"{DIFFERENT}\n{_sandbox(landlock.version())}")
    if not all(claim.holds for claim in found.claims()):
        raise TrialError("a claim does not hold")
    output.step("every claim holds; S3 server, prober and source have ended, their files are deleted")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.trial", description="Import one media file without a cluster.")
    parser.add_argument(
        "--url", help="http, https or data: URI; default: a film that ffmpeg makes, served on 127.0.0.1"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for the thumbnail and the JSON (%(default)s)")
    return parser


def _check(url: str | None) -> None:
    """Raise TrialError for a URL that no import takes, before anything is started."""
    if url is not None:
        try:
            Source(url=url)
        except ValidationError:
            raise TrialError("the URL has to begin with http://, https:// or data:, and to have no space") from None


def _imported(url: str | None, temporary: Path, results: Path, output: Output) -> Evidence:
    tools = media.tools()
    source = attempt.Source(url, temporary / "film.mp4")
    if url is None:
        version = media.film(source.file, tools)
        output.step(f"source: a film of 3 s made with ffmpeg {version}, {source.file.stat().st_size} bytes")
    output.step("starting an S3 server")
    for each in ("store", "attempt"):
        (temporary / each).mkdir()
    with running_seaweed(temporary / "store", certificate=Certificate.make(temporary)) as store:
        output.step(f"S3 server: SeaweedFS on {store.endpoint_url}")
        output.step("starting prober and importer")
        outcome = attempt.run(
            store, source, temporary / "attempt", tools=tools, say=lambda line: output.step(f"importer: {line}")
        )
        if outcome.result is None or outcome.result.asset is None:
            raise TrialError(f"the import failed with exit code {outcome.exit_code}; the last line of the log says why")
        output.show("Result (a Job's termination message)", json.dumps(outcome.result.to_wire(), indent=2))
        found = evidence.gather(store, outcome.result, source.sha256)
    _show(found, results, output)
    return found


def _show(found: Evidence, results: Path, output: Output) -> None:
    prefix = found.asset.key.rpartition("/")[0]
    lines = [f"{size:>10} bytes  {prefix}/{name}" for name, size in sorted(found.objects.items())]
    output.show(f"Objects in the bucket {found.asset.bucket}", "\n".join(lines))
    if not found.picture:
        return
    results.mkdir(parents=True, exist_ok=True)
    thumbnail = results / "thumbnail.jpg"
    thumbnail.write_bytes(found.thumbnail)
    output.show("Thumbnail", str(thumbnail.resolve()))


def _sandbox(landlock_version: int) -> str:
    if landlock_version:
        return f"The prober's own sandbox is the same: Landlock (ABI {landlock_version}), rlimits, whitelists."
    return "This kernel has no Landlock: the prober's tools had their rlimits and whitelists alone."


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except TrialError as error:
        print(f"✗ {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
