"""Bad sources: the import is Failed with a reason, and nothing is in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.installation.world import reasons_of

if TYPE_CHECKING:
    from tests.support.installation.world import World


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ({"file": "missing"}, "SourceNotFound"),
        ({"file": "html"}, "NotMedia"),
        ({"file": "empty"}, "NotMedia"),
        ({"cut_after_bytes": 50_000, "cuts": 1000}, "Truncated"),
        ({"failures": 1000}, "SourceUnavailable"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_bad_source_fails_and_leaves_no_object(world: World, scenario: dict[str, object], reason: str) -> None:
    name = world.create("bad-source", {"source": {"url": world.file_url(**scenario)}, "limits": {"attempts": 2}})
    failed = world.wait_for_phase(name, "Failed", timeout_s=90)
    error = failed["status"]["error"]
    assert error["reason"] == reason
    assert len(error["message"]) > 20
    attempts = failed["status"]["attempts"]
    assert len(attempts) == (2 if error["retryable"] else 1)
    assert {each["reason"] for each in attempts} == {reason}
    assert attempts[0]["logTail"]
    assert world.objects(f"media/default/{failed['metadata']['uid']}/") == []


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"expected": {"sha256": "0" * 64}}, "ChecksumMismatch"),
        ({"expected": {"sizeBytes": 5}}, "SizeMismatch"),
        ({"type": "audio"}, "TypeMismatch"),
        ({"limits": {"maxSizeBytes": 1000}}, "SourceTooLarge"),
    ],
)
def test_file_that_does_not_match_the_spec_never_becomes_an_object(
    world: World, spec: dict[str, object], reason: str
) -> None:
    name = world.create("mismatch", {"source": {"url": world.file_url()}} | spec)
    failed = world.wait_for_phase(name, "Failed")
    assert failed["status"]["error"]["reason"] == reason
    assert world.objects(f"media/default/{failed['metadata']['uid']}/") == []


def test_a_source_that_fails_once_is_tried_again(world: World) -> None:
    name = world.create("fails-once", {"source": {"url": world.file_url(failures=1)}})
    assert reasons_of(world.wait_for_phase(name, "Ready", timeout_s=90)) == ["SourceUnavailable", "Imported"]


def test_a_connection_that_breaks_once_is_resumed_within_the_attempt(world: World) -> None:
    name = world.create("resumes", {"source": {"url": world.file_url(cut_after_bytes=300_000)}})
    status = world.wait_for_phase(name, "Ready")["status"]
    assert len(status["attempts"]) == 1
    assert status["asset"]["sha256"] == world.film_sha256


def test_file_that_cannot_be_described_is_kept_unless_the_spec_refuses_it(world: World) -> None:
    source = {"url": world.file_url(file="truncated")}
    kept = world.wait_for_phase(world.create("undescribed", {"source": source}), "Ready")["status"]
    refused = world.wait_for_phase(world.create("refused", {"source": source, "undescribed": "Refuse"}), "Failed")[
        "status"
    ]
    conditions = {each["type"]: (each["status"], each["reason"]) for each in kept["conditions"]}
    assert conditions["Described"] == ("False", "ProbeFailed")
    assert (kept["asset"]["kind"], refused["error"]["reason"]) == ("video", "ProbeFailed")


def test_a_private_address_is_blocked(world: World) -> None:
    name = world.create("blocked", {"source": {"url": "http://169.254.169.254/latest/meta-data"}})
    error = world.wait_for_phase(name, "Failed")["status"]["error"]
    assert error["reason"] == "SourceBlocked"
    assert "169.254.169.254 is not a public address" in error["message"]


def test_metadata_beyond_8_kib_fails_without_a_job(world: World) -> None:
    name = world.create("much", {"source": {"url": world.file_url()}, "metadata": {"text": "x" * 9000}})
    failed = world.wait_for_phase(name, "Failed")
    assert failed["status"]["error"]["reason"] == "SpecInvalid"
    world.kubectl("wait", "--for=condition=Stalled", f"mediaimport/{name}", "--timeout=10s")
    assert world.jobs(name) == []
