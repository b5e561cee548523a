"""Baselines of an import: everyday tools over the same connections."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from uuid import uuid4

from dev.bench.importer.runs import Bench, Run, timed
from dev.cluster.cache import CHECKOUT
from dev.cluster.programs import go
from tests.support.loopback.certificate import Certificate
from tests.support.loopback.store import ACCESS, BUCKET, REGION, SECRET, Store

SAME_S3 = "import sys, dev.bench.importer.baselines as baselines; baselines.upload(*sys.argv[1:])"
AWS_LOCK = CHECKOUT / "requirements/awscli.txt"


def source_leg(bench: Bench) -> Run:
    """Download alone, to nowhere."""
    command = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null", bench.source_url]
    return timed(command, bench.environment())


def store_leg(bench: Bench) -> Run:
    """Upload alone, in one request of a signature and nothing else."""
    url = f"{bench.store.url(bench.store_port)}/{BUCKET}/leg/{uuid4()}.mp4"
    command = [
        "curl", "--silent", "--show-error", "--fail", "--upload-file", str(bench.source_file), "--user",
        f"{ACCESS}:{SECRET}", "--aws-sigv4", f"aws:amz:{REGION}:s3", "--header",
        "x-amz-content-sha256: UNSIGNED-PAYLOAD", url,
    ]  # fmt: skip
    return timed(command, bench.environment())


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


def piped(bench: Bench) -> Run:
    """Stream and hash, without a probe, a thumbnail or a check: what a shell does in one line."""
    key = f"s3://{BUCKET}/piped/{uuid4()}.mp4"
    line = (
        f"set -o pipefail; curl --silent --show-error --fail {bench.source_url} | tee >(sha256sum > /dev/null)"
        f" | {aws()} s3 cp - {key} --endpoint-url {bench.store.url(bench.store_port)}"
        f" --expected-size {bench.size_bytes}"
    )
    keys = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_DEFAULT_REGION": REGION}
    trust = {"AWS_CA_BUNDLE": str(bench.certificate.authority)}
    return timed(["bash", "-c", line], bench.environment() | keys | trust)


def aws() -> Path:
    """Return AWS' own command, of the version and hashes in the lock file, in an environment of its own."""
    version = hashlib.sha256(AWS_LOCK.read_bytes()).hexdigest()[:16]
    folder = CHECKOUT / f"build/awscli-{version}"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        pip = (folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes")
        subprocess.run([*pip, "--requirement", AWS_LOCK], check=True)
        (folder / "ready").touch()
    return folder / "bin/aws"


def rclone() -> Path:
    """Return rclone, of the version and hashes in its go.mod and go.sum; compiled the first time."""
    return go.built(go.RCLONE.name) / "rclone"


def copied(bench: Bench) -> Run:
    """Run `rclone copyurl`: the transfer alone."""
    options = f"provider=Other,access_key_id={ACCESS},secret_access_key={SECRET},region={REGION},force_path_style=true"
    endpoint = bench.store.url(bench.store_port)
    target = f":s3,{options},no_check_bucket=true,endpoint='{endpoint}':{BUCKET}/copied/{uuid4()}.mp4"
    command = [str(rclone()), "--ca-cert", str(bench.certificate.authority), "copyurl", bench.source_url, target]
    # With AWS_CA_BUNDLE it does not start.
    environment = {name: value for name, value in bench.environment().items() if name != "AWS_CA_BUNDLE"}
    return timed(command, environment)
