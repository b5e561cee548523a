"""`make try` as a user runs it: real importer, real prober, real S3 server."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from mediaimport_api.status import Asset, Kind, Thumbnail

from dev.trial.evidence import Evidence
from tests.support.loopback.store import BUCKET

ROOT = Path(__file__).resolve().parents[4]
PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAEAAAAAkAgMAAABEYtQBAAAADFBMVEUmRlMqnY/pxGrnb1FY3ld2AAAAGklEQVR42mNg"
    "AIJQIFgFBP+BgGFUYFSAugIAQcEe8OwMOOsAAAAASUVORK5CYII="
)
TIMEOUT_S = 240


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dev.trial", "--folder", str(folder), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def processes_that_name(text: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found


@pytest.mark.parametrize("url", ["ftp://example.com/film.mp4", "film.mp4", "https://example.com/a film.mp4"])
def test_url_that_no_import_takes_is_refused_in_one_sentence_before_anything_starts(tmp_path: Path, url: str) -> None:
    ran = run(tmp_path / "try", "--url", url)

    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "✗ the URL has to begin with http://, https:// or data:, and to have no space\n"


def test_film_is_imported_and_every_claim_holds(tmp_path: Path) -> None:
    ran = run(tmp_path / "try")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.findall(r"^    ([✓✗].*)$", ran.stdout, re.MULTILINE) == [
        "✓ one SHA-256, from the source to S3 and back",
        "✓ one size",
        "✓ the thumbnail is a JPEG of the size that the result says",
        "✓ no other object",
    ]
    assert '"durationMs": 3000' in ran.stdout
    thumbnail = tmp_path / "try" / "thumbnail.jpg"
    assert f"    {thumbnail}\n" in ran.stdout
    assert thumbnail.read_bytes().startswith(b"\xff\xd8\xff")
    (port,) = re.findall(r"SeaweedFS on https://127\.0\.0\.1:(\d+)", ran.stdout)
    assert processes_that_name(f"-s3.port={port}") == []


def test_url_is_imported_instead_of_the_film(tmp_path: Path) -> None:
    ran = run(tmp_path, "--url", PICTURE)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "source: a film" not in ran.stdout
    assert "✓ one SHA-256, in S3 and fetched back" in ran.stdout
    assert '"contentType": "image/png"' in ran.stdout


def test_refused_url_is_reported_by_the_importers_own_words(tmp_path: Path) -> None:
    ran = run(tmp_path, "--url", "http://127.0.0.1/film.mp4")

    assert ran.returncode == 1
    assert "importer: SourceBlocked" in ran.stdout
    assert ran.stderr == "✗ the import failed with exit code 11; the last line of the log says why\n"


@pytest.fixture
def evidence() -> Evidence:
    digest = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"  # of b"x"
    number = UUID("4272560c-d562-4462-832b-fa55064ed920")
    asset = Asset(
        id=number,
        sha256=digest,
        size_bytes=1,
        content_type="video/mp4",
        kind=Kind("video"),
        bucket=BUCKET,
        key="a/video.mp4",
    )
    picture = Thumbnail(key="a/thumbnail.jpg", content_type="image/jpeg", width=1, height=1, size_bytes=3)
    return Evidence(
        digest, asset, picture, b"x", b"\xff\xd8\xff", digest, {"video.mp4": 1, "thumbnail.jpg": 3, "asset.json": 9}
    )


def failing(evidence: Evidence) -> list[str]:
    return [claim.text for claim in evidence.claims() if not claim.holds]


def test_claims_hold_of_what_was_stored(evidence: Evidence) -> None:
    assert failing(evidence) == []


def test_other_values_break_their_claims(evidence: Evidence) -> None:
    assert failing(replace(evidence, source_sha256="0" * 64)) == ["one SHA-256, from the source to S3 and back"]
    assert failing(replace(evidence, store_sha256="none")) == ["one SHA-256, from the source to S3 and back"]
    assert failing(replace(evidence, fetched=b"xx")) == ["one SHA-256, from the source to S3 and back", "one size"]
    assert failing(replace(evidence, thumbnail=b"<html>")) == [
        "the thumbnail is a JPEG of the size that the result says"
    ]
    assert failing(replace(evidence, objects={"video.mp4": 1})) == ["no other object"]
