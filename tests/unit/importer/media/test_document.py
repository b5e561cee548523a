"""ffprobe's JSON from a prober that a hostile file has taken over: known fields, bounded sizes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.result import MAX_RESULT_BYTES
from mediaimport_api.sidecar import Owner
from mediaimport_api.task import Task
from mediaimport_importer.media import formats
from mediaimport_importer.media.document import known_document
from mediaimport_importer.media.streams import Inspection, Streams, describe
from mediaimport_importer.media.thumbnail import Thumbnail
from mediaimport_importer.record import Original, Record, sidecar_body
from mediaimport_prober.protocol import FORMAT_FIELDS, MAX_RESPONSE_BYTES, STREAM_FIELDS

MAX_SIDECAR_BYTES = 2 * 1024 * 1024
"""A quarter of what an attempt reads of a sidecar that exists: beyond that it would take its own for another's."""


def record_of(document: dict[str, Any], *, message: str = "", size_bytes: int = 10**12) -> Record:
    """Return the record of the largest task, of media that a prober describes so."""
    task = Task.model_validate(
        {
            "owner": Owner(namespace="n" * 63, name="m" * 63, uid=str(uuid4())),
            "asset_id": str(uuid4()),
            "spec": {"source": {"url": "https://example.com/"}, "user_id": "u" * 63, "metadata": {"a": "x" * 8000}},
            "run": "",
            "attempt": 1,
            "max_size_bytes": size_bytes,
            "deadline_seconds": 60,
        }
    )
    streams = Streams(known_document(document))
    media = describe(streams, formats.WEBM, size_bytes=size_bytes, duration=streams.duration)
    keys = AssetKeys(user_id=task.spec.user_id, asset_id=task.asset_id)
    original = Original("b" * 63, keys.original(kind="video", extension="webm"), "e" * 128, size_bytes, "0" * 64)
    outcome = Thumbnail(Reason.THUMBNAIL_FAILED, message).outcome(keys.thumbnail)
    inspection = Inspection(formats.WEBM, media, streams)
    return Record(task, inspection, original, outcome, 0.0, datetime.now(UTC))


def large(text: str) -> dict[str, Any]:
    """Return a document in which each known text is as large as it can be."""
    streams: list[dict[str, Any]] = [dict.fromkeys(STREAM_FIELDS, text) for _ in range(64)]
    for each, kind in zip(streams, ["video", "audio"] * 32, strict=True):
        fractions = {
            "avg_frame_rate": "9007199254740991/9007199254740989",
            "sample_aspect_ratio": "999999937:999999929",
        }
        numbers = dict.fromkeys(("width", "height", "nb_frames", "coded_width", "channels", "sample_rate"), 999_999)
        each.update(fractions | numbers | {"codec_type": kind})
    return {"streams": streams, "format": dict.fromkeys(FORMAT_FIELDS, text) | {"duration": "999999999"}}


@pytest.mark.parametrize("text", ['"' * 5000, "\\" * 5000, "\x01" * 5000, "é" * 5000, "x" * 5000])
@pytest.mark.attack("a prober taken over that sends long texts", "the result fits its 4096 bytes")
def test_result_of_the_longest_texts_fits_its_message(text: str) -> None:
    record = record_of(large(text), message="\\" * 400)

    assert len(record.result(record.sidecar).encode()) <= MAX_RESULT_BYTES


@pytest.mark.parametrize(
    "document",
    [
        {"streams": [], "format": {}, "x": [[[[0] * 50] * 20] * 20]},
        {"streams": [{"codec_name": "h264", "tags": {str(n): "x" * 100 for n in range(3000)}}]},
        {"streams": [{"side_data_list": [{"rotation": 1}] * 20_000}]},
        {"streams": [{"index": n} for n in range(30_000)]},
        {"streams": [], "format": {"duration": {"a": {"b": [1] * 100_000}}}},
    ],
    ids=["unknown key", "tags", "side data", "streams", "nested value"],
)
@pytest.mark.attack("a prober taken over that sends 512 KiB of JSON", "the sidecar keeps ffprobe's own fields only")
def test_sidecar_keeps_only_what_ffprobe_is_asked_for(document: dict[str, Any]) -> None:
    assert len(json.dumps(document, separators=(",", ":"))) > MAX_RESPONSE_BYTES / 16

    assert len(sidecar_body(record_of(document).sidecar)) < 64 * 1024


def test_sidecar_of_the_longest_texts_can_be_read_again() -> None:
    assert len(sidecar_body(record_of(large("\U0001f600" * 5000)).sidecar)) < MAX_SIDECAR_BYTES


@pytest.mark.parametrize(
    "number", [10**400, -(10**400), float("inf"), float("nan"), 1e308, 2**63, -1, 0, True, "9" * 5000, "1e308", "nan"]
)
def test_numbers_beyond_reason_are_left_out(number: float | str) -> None:
    record = record_of(
        {
            "streams": [
                {"codec_name": "vp9", "codec_type": "video"} | dict.fromkeys(STREAM_FIELDS[6:], number),
                {"codec_name": "opus", "codec_type": "audio"} | dict.fromkeys(STREAM_FIELDS[6:], number),
            ],
            "format": dict.fromkeys(FORMAT_FIELDS, number),
            "frames": [{"side_data_list": [{"rotation": number}]}],
        }
    )

    record.result(record.sidecar).encode()
    json.dumps(record.sidecar.to_wire(), allow_nan=False)


def test_known_document_of_ffprobe_is_kept() -> None:
    document = {
        "streams": [{"index": 0, "codec_name": "h264", "disposition": {"default": 1}, "tags": {"language": "und"}}],
        "format": {"format_name": "mov,mp4", "duration": "2.000000", "tags": {"encoder": "Lavf"}},
        "frames": [{"width": 320, "side_data_list": [{"side_data_type": "Display Matrix", "rotation": -90}]}],
    }

    assert known_document(document | {"programs": []}) == document


_LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("2/0")
_ANY = st.recursive(
    _LEAF,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*STREAM_FIELDS, "tags", "side_data_list", "disposition", "rotation"]), inner)
    ),
    max_leaves=40,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # on a busy machine the first example takes a second
@given(
    st.fixed_dictionaries({}, optional={"streams": _ANY | st.lists(_ANY, max_size=3), "format": _ANY, "frames": _ANY})
)
def test_no_document_breaks_the_description(document: dict[str, Any]) -> None:
    record = record_of(document)

    assert len(record.result(record.sidecar).encode()) <= MAX_RESULT_BYTES
    sidecar_body(record.sidecar).decode()
