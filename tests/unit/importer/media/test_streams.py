"""ffprobe's JSON in the status's words, also when ffprobe lies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_api.status import DurationSource, Media, MediaWarning, VideoMedia
from mediaimport_importer.media import formats
from mediaimport_importer.media.streams import Streams, describe


def document(*, video: dict[str, Any] | None = None, **form: object) -> dict[str, Any]:
    stream = {
        "codec_type": "video", "codec_name": "h264", "width": 1920, "height": 1080, "coded_width": 1920,
        "coded_height": 1088, "pix_fmt": "yuv420p", "avg_frame_rate": "24/1", "r_frame_rate": "24/1",
    } | (video or {})  # fmt: skip
    return {"streams": [stream], "format": {"format_name": "mov,mp4", "duration": "2.5", "bit_rate": "800"} | form}


def described(found: dict[str, Any], form: formats.Format = formats.MP4) -> Media:
    streams = Streams(found)
    return describe(streams, form, size_bytes=1000, duration=streams.duration)


def video_of(media: Media) -> VideoMedia:
    assert media.video is not None
    return media.video


def test_plain_video() -> None:
    media = described(document())

    assert (media.width, media.height, media.aspect_ratio) == (1920, 1080, "16:9")
    assert (media.duration_ms, media.duration_source) == (2500, DurationSource.CONTAINER)
    assert media.bit_rate_bps == 800
    assert (video_of(media).coded_width, video_of(media).coded_height) == (1920, 1088)
    assert video_of(media).has_alpha is False
    assert media.warnings is None


@pytest.mark.parametrize(("counterclockwise", "clockwise"), [(-90, 90), (90, 270), (180, 180), (-180, 180), (0, 0)])
def test_rotation_is_clockwise_and_turns_the_size(counterclockwise: int, clockwise: int) -> None:
    media = described(document(video={"side_data_list": [{"rotation": counterclockwise}]}))

    assert video_of(media).rotation == clockwise
    assert (media.width, media.height) == ((1080, 1920) if clockwise in {90, 270} else (1920, 1080))


def test_sample_aspect_ratio_stretches_before_the_turn() -> None:
    media = described(
        document(video={"sample_aspect_ratio": "4:3", "side_data_list": [{"rotation": -90}], "width": 1440})
    )

    assert (media.width, media.height) == (1080, 1920)


def test_stream_names_the_duration_when_the_container_does_not() -> None:
    media = described(document(video={"duration": "1.25"}, duration="N/A"))

    assert (media.duration_ms, media.duration_source) == (1250, DurationSource.STREAM)


def test_unknown_duration_is_absent_and_warned_of() -> None:
    media = described(document(duration=None))

    assert (media.duration_ms, media.warnings) == (None, [MediaWarning.DURATION_UNKNOWN])


def test_bit_rate_is_reckoned_when_nothing_names_it() -> None:
    assert described(document(bit_rate=None)).bit_rate_bps == 1000 * 8 * 1000 // 2500


@pytest.mark.parametrize(
    ("pix_fmt", "tags", "expected"),
    [("yuv420p", {}, False), ("yuva420p", {}, True), ("rgba", {}, True), ("gbrap10le", {}, True), ("pal8", {}, None),
     ("yuv420p", {"alpha_mode": "1"}, True),
     ("rgba", {"alpha_mode": "0"}, False), ("pal8", {"alpha_mode": "0"}, False),
     ("ya8", {}, True), ("bgr0", {}, False)],
)  # fmt: skip
def test_alpha(pix_fmt: str, tags: dict[str, str], expected: bool | None) -> None:  # noqa: FBT001 - the result to compare
    assert video_of(described(document(video={"pix_fmt": pix_fmt, "tags": tags}))).has_alpha is expected


def test_control_characters_and_length_of_words_are_bounded() -> None:
    media = described(document(video={"profile": "Hi\x1b[31mgh" * 100}))

    profile = video_of(media).profile or ""
    assert profile.isprintable()
    assert 0 < len(profile) <= 128


WILD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1/0", "nan", "9" * 60]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
KEYS = [
    "codec_type",
    "codec_name",
    "width",
    "height",
    "sample_aspect_ratio",
    "avg_frame_rate",
    "r_frame_rate",
    "nb_frames",
    "side_data_list",
    "disposition",
    "tags",
    "channels",
    "duration",
    "pix_fmt",
    "profile",
    "color_transfer",
]
STREAM = st.dictionaries(st.sampled_from(KEYS), WILD | st.sampled_from(["video", "audio"]))


@given(
    st.fixed_dictionaries(
        {}, optional={"streams": st.lists(STREAM, max_size=3) | WILD, "format": STREAM | WILD, "frames": WILD}
    )
)
def test_whatever_a_prober_says_becomes_a_valid_description(found: dict[str, Any]) -> None:
    for form in (formats.MP4, formats.PNG, formats.MP3):
        media = described(found, form)
        assert len(media.model_dump_json()) < 4096


def test_moving_image_has_duration_and_rate_and_a_still_none() -> None:
    found = document(video={"avg_frame_rate": "5/2"}, duration="0.8")
    streams = Streams(found)

    moving = describe(
        streams, formats.GIF.with_frames(3), size_bytes=1000, duration=(800, DurationSource.CONTAINER), frames=3
    )
    still = describe(streams, formats.GIF.with_frames(1), size_bytes=1000, duration=None, frames=1)

    assert (moving.animated, moving.duration_ms, video_of(moving).frame_count) == (True, 800, 3)
    assert video_of(moving).avg_frame_rate == "15/4"
    assert (still.animated, still.warnings, video_of(still).avg_frame_rate) == (False, None, None)
    assert described(found).animated is None
