from __future__ import annotations

from uuid import UUID

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.result import MAX_RESULT_BYTES, Result, ThumbnailOutcome
from mediaimport_api.status import Asset, Kind, Media
from pydantic import ValidationError


def asset() -> Asset:
    return Asset(
        id=UUID(int=1),
        sha256="0" * 64,
        size_bytes=7,
        content_type="video/mp4",
        kind=Kind.VIDEO,
        bucket="media",
        key="media/default/x/video.mp4",
    )


def imported(**changes: object) -> Result:
    whole = {
        "reason": Reason.IMPORTED,
        "message": "Imported.",
        "asset": asset(),
        "media": Media(format_name="mp4"),
        "thumbnail": ThumbnailOutcome(reason=Reason.NO_PICTURE, message="no picture"),
    }
    return Result.model_validate(whole | changes)


def test_a_result_survives_the_termination_message() -> None:
    assert Result.decode(imported().encode()) == imported()


def test_an_import_without_its_asset_is_no_result() -> None:
    with pytest.raises(ValidationError, match="exactly if reason is Imported"):
        imported(asset=None)


def test_a_failure_with_an_asset_is_no_result() -> None:
    with pytest.raises(ValidationError, match="exactly if reason is Imported"):
        imported(reason=Reason.TRUNCATED)


def test_importer_cannot_report_a_reason_of_the_pods_status() -> None:
    with pytest.raises(ValidationError, match="not a reason of the importer"):
        Result(reason=Reason.DISRUPTED, message="so it says")


@pytest.mark.parametrize(
    "message", [None, "", "null", "[]", "{}", "Traceback (most recent call last):", '{"reason":"Imported"}', "\ud800"]
)
def test_a_termination_message_that_is_no_result_decodes_to_nothing(message: str | None) -> None:
    assert Result.decode(message) is None


def test_fields_of_a_later_importer_are_passed_over() -> None:
    wire = imported().encode().decode().replace('{"version":1', '{"version":1,"later":true', 1)
    assert '"later"' in wire
    assert Result.decode(wire) == imported()


def test_a_result_that_the_kubelet_would_cut_is_refused_before_it_is_written() -> None:
    long = asset().model_copy(update={"key": "k" * MAX_RESULT_BYTES})
    with pytest.raises(ValueError, match=f"holds {MAX_RESULT_BYTES}"):
        imported(asset=long).encode()


def test_thumbnail_and_its_reason_agree() -> None:
    with pytest.raises(ValidationError, match="exactly if reason is ThumbnailStored"):
        ThumbnailOutcome(reason=Reason.THUMBNAIL_STORED, message="stored")
