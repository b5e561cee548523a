from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from dev.demo.evidence import Evidence

VIDEO, THUMBNAIL = b"a video", b"\xff\xd8\xff a thumbnail"
SHA256 = sha256(VIDEO).hexdigest()
PREFIX = "media/default/7d1/"


def evidence() -> Evidence:
    return Evidence(
        source_sha256=SHA256,
        status={
            "asset": {"sha256": SHA256, "sizeBytes": len(VIDEO), "key": f"{PREFIX}video.mp4"},
            "thumbnail": {"width": 320, "height": 180, "sizeBytes": len(THUMBNAIL)},
        },
        shown={"metadata": {"sha256": SHA256, "size_bytes": len(VIDEO)}, "tags": ["ai-generated"]},
        fetched=VIDEO,
        thumbnail=THUMBNAIL,
        store_sha256=SHA256,
        keys=(f"{PREFIX}asset.json", f"{PREFIX}thumbnail.jpg", f"{PREFIX}video.mp4"),
        row={"sha256": SHA256},
    )


def test_all_holds_when_all_parties_agree() -> None:
    assert all(claim.holds for claim in evidence().claims())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"store_sha256": "none"}, "one SHA-256"),
        ({"row": {"sha256": "0" * 64}}, "one SHA-256"),
        ({"fetched": b"a videp"}, "one SHA-256"),
        ({"source_sha256": "0" * 64}, "one SHA-256"),
        ({"fetched": b"a vid"}, "one size"),
        ({"thumbnail": b"<html> a thumbnail"}, "the thumbnail"),
        ({"thumbnail": THUMBNAIL[:-1]}, "the thumbnail"),
        ({"keys": (f"{PREFIX}asset.json", f"{PREFIX}video.mp4")}, "exactly three objects"),
    ],
)
def test_claim_does_not_hold_when_one_party_differs(change: dict[str, object], text: str) -> None:
    claims = replace(evidence(), **change).claims()  # type: ignore[arg-type]
    assert text in " ".join(claim.text for claim in claims if not claim.holds)


def test_claim_that_does_not_hold_names_each_party() -> None:
    broken = next(claim for claim in replace(evidence(), store_sha256="none").claims() if not claim.holds)
    assert "S3's own checksum: none" in str(broken)
    assert str(broken).startswith("✗")
