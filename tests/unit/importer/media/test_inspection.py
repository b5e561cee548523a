"""Inspection of real media files, by the real ffprobe and ffmpeg: formats and traps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.spec import MediaType
from mediaimport_api.status import DurationSource, Kind
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.media.thumbnail import jpeg_size, render
from mediaimport_prober.protocol import ThumbnailRequest

from tests.support.loopback.store import BUCKET
from tests.support.media_studio import H264, TEST_VIDEO, TONE, ffmpeg, pixels

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.import_runner import Imports
    from tests.support.media_studio import Studio
    from tests.support.running_prober import RunningProber
    from tests.support.source_server import Sources


AV1 = ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-pix_fmt", "yuv420p")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")

FORMATS: list[tuple[str, tuple[str, ...], tuple[str, str, str]]] = [
    # file, ffmpeg's arguments, and the expected kind, extension and content type
    ("mp4.mp4", (*TEST_VIDEO, *TONE, *H264, "-c:a", "aac"), ("video", "mp4", "video/mp4")),
    ("mov.mov", (*TEST_VIDEO, *H264), ("video", "mov", "video/quicktime")),
    ("mkv.mkv", (*TEST_VIDEO, *H264), ("video", "mkv", "video/x-matroska")),
    ("webm.webm", (*TEST_VIDEO, *VP9), ("video", "webm", "video/webm")),
    ("ts.ts", (*TEST_VIDEO, *H264), ("video", "ts", "video/mp2t")),
    ("avi.avi", (*TEST_VIDEO, "-c:v", "mpeg4"), ("video", "avi", "video/x-msvideo")),
    ("flv.flv", (*TEST_VIDEO, *H264), ("video", "flv", "video/x-flv")),
    ("wmv.wmv", (*TEST_VIDEO, "-c:v", "wmv2"), ("video", "wmv", "video/x-ms-wmv")),
    ("mpg.mpg", (*TEST_VIDEO, "-r", "25", "-c:v", "mpeg2video"), ("video", "mpg", "video/mpeg")),
    ("ogv.ogv", (*TEST_VIDEO, "-c:v", "libtheora"), ("video", "ogv", "video/ogg")),
    ("moving.gif", TEST_VIDEO, ("image", "gif", "image/gif")),
    ("still.gif", (*TEST_VIDEO, "-frames:v", "1"), ("image", "gif", "image/gif")),
    ("moving.png", (*TEST_VIDEO, "-f", "apng"), ("image", "png", "image/png")),
    ("moving.webp", (*TEST_VIDEO, "-c:v", "libwebp_anim"), ("image", "webp", "image/webp")),
    ("moving.avif", (*TEST_VIDEO, *AV1), ("image", "avif", "image/avif")),
    ("jpeg.jpg", (*TEST_VIDEO, "-frames:v", "1"), ("image", "jpg", "image/jpeg")),
    ("png.png", (*TEST_VIDEO, "-frames:v", "1"), ("image", "png", "image/png")),
    ("webp.webp", (*TEST_VIDEO, "-frames:v", "1", "-c:v", "libwebp"), ("image", "webp", "image/webp")),
    ("mp3.mp3", TONE, ("audio", "mp3", "audio/mpeg")),
    ("m4a.m4a", (*TONE, "-c:a", "aac"), ("audio", "m4a", "audio/mp4")),
    ("aac.aac", (*TONE, "-c:a", "aac", "-f", "adts"), ("audio", "aac", "audio/aac")),
    ("wav.wav", TONE, ("audio", "wav", "audio/wav")),
    ("flac.flac", TONE, ("audio", "flac", "audio/flac")),
    ("ogg.ogg", (*TONE, "-c:a", "libvorbis"), ("audio", "ogg", "audio/ogg")),
    ("opus.opus", (*TONE, "-c:a", "libopus"), ("audio", "opus", "audio/ogg")),
    ("sound.webm", (*TONE, "-c:a", "libopus"), ("audio", "webm", "audio/webm")),
    ("sound.mov", (*TONE, "-c:a", "aac"), ("audio", "m4a", "audio/mp4")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "expected"), FORMATS, ids=[row[0] for row in FORMATS])
def test_format_is_detected_from_the_bytes(
    prober: RunningProber, studio: Studio, name: str, arguments: tuple[str, ...], expected: tuple[str, str, str]
) -> None:
    file = studio.make(f"kind-{name}", *arguments)

    found = prober.inspect(file)
    thumbnail = prober.thumbnail(file)

    assert (found.format.kind, found.format.extension, found.format.content_type) == expected
    if found.format.kind is Kind.AUDIO:
        assert thumbnail.reason is Reason.NO_PICTURE
        assert found.media.audio is not None
    else:
        assert jpeg_size(thumbnail.jpeg) == (320, 180), thumbnail
        assert (found.media.width, found.media.height) == (320, 180)
    if found.format.kind is Kind.IMAGE and not name.startswith("moving"):
        assert found.media.duration_ms is None
    else:
        assert found.media.duration_ms == pytest.approx(2000, abs=120)


@pytest.mark.trap("every format, complete", "each file of the table above", "stored unchanged, named by its kind")
def test_every_format_is_stored_unchanged(any_imports: Imports, sources: Sources, studio: Studio) -> None:
    for name, arguments, (kind, extension, content_type) in FORMATS:
        file = studio.make(f"kind-{name}", *arguments)
        task = any_imports.task(sources.file(file, Content_Type="text/plain"))

        result = any_imports.run(task)

        assert result.asset is not None, (name, result)
        assert (result.asset.kind, result.asset.content_type) == (kind, content_type), name
        assert result.asset.key.endswith(f"/{kind}.{extension}")
        body = any_imports.store.client().get_object(Bucket=BUCKET, Key=result.asset.key)["Body"].read()
        assert body == file.read_bytes(), name
    assert any_imports.left_over() == []


@pytest.mark.trap(
    "rotation by a display matrix",
    "mp4",
    "coded size, rotation and display size are distinct; the thumbnail is upright",
)
def test_rotated_video_is_described_and_shown_upright(prober: RunningProber, studio: Studio) -> None:
    flat = studio.make("half-red.mp4", "-f", "lavfi", "-i", "color=red:s=160x160:d=1", "-f", "lavfi", "-i",
                       "color=blue:s=160x160:d=1", "-filter_complex", "hstack", *H264)  # fmt: skip
    turned = (
        studio.make("turned.mp4", "-display_rotation", "-90", "-i", str(flat), "-c", "copy")
        if _can_turn()
        else (studio.make("turned.mp4", "-i", str(flat), "-c", "copy", "-metadata:s:v", "rotate=270"))
    )

    found, thumbnail = prober.inspect(turned), prober.thumbnail(turned)

    assert found.media.video is not None
    assert found.media.video.rotation == 90
    assert (found.media.width, found.media.height) == (160, 320)
    assert jpeg_size(thumbnail.jpeg) == (160, 320)
    top, bottom = pixels(thumbnail.jpeg, 1, 2)[:3], pixels(thumbnail.jpeg, 1, 2)[3:]
    assert top[0] > 150 > top[2]
    assert bottom[2] > 150 > bottom[0]


def _can_turn() -> bool:
    """Tell whether ffmpeg is new enough to write a rotation by its own option; older ones have a tag."""
    return b"-display_rotation" in ffmpeg("-h", "full")


@pytest.mark.trap("sample aspect ratio 16:11", "mp4", "display width; the thumbnail has square pixels")
def test_sample_aspect_ratio_makes_square_pixels(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("anamorphic.mp4", "-f", "lavfi", "-i", "testsrc2=s=360x288:d=1", "-vf", "setsar=16/11", *H264)

    found, thumbnail = prober.inspect(file), prober.thumbnail(file)

    assert (found.media.width, found.media.height) == (524, 288)
    assert found.media.video is not None
    assert found.media.video.sample_aspect_ratio == "16:11"
    assert jpeg_size(thumbnail.jpeg) == (320, 176)


@pytest.mark.trap("no duration in the container", "webm", "read from the packets, and `durationSource` says so")
def test_piped_webm_gets_its_duration_from_the_packets(prober: RunningProber, tmp_path: Path) -> None:
    piped = ffmpeg(*TEST_VIDEO, "-c:v", "libvpx", "-deadline", "realtime", "-live", "1", "-f", "webm", "pipe:1")
    (tmp_path / "piped").write_bytes(piped)

    found = prober.inspect(tmp_path / "piped")

    assert found.media.duration_source is DurationSource.PACKETS
    assert found.media.duration_ms == pytest.approx(2000, abs=60)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("vbr.mp3", ("-c:a", "libmp3lame", "-q:a", "2", "-write_xing", "0", "-id3v2_version", "0")),
        ("vbr.aac", ("-c:a", "aac", "-q:a", "2", "-f", "adts")),
    ],
)
@pytest.mark.trap(
    "a variable bit rate and no index, silence first", "mp3 (without Xing), aac (ADTS)", "the duration of the packets"
)
def test_duration_without_an_index_is_that_of_the_packets(
    prober: RunningProber, studio: Studio, name: str, codec: tuple[str, ...]
) -> None:
    file = studio.make(
        name, "-f", "lavfi", "-i", "anullsrc=r=44100:cl=stereo:d=4",
        "-f", "lavfi", "-i", "anoisesrc=r=44100:d=16:a=0.8",
        "-filter_complex", "[0][1]concat=n=2:v=0:a=1", *codec,
    )  # fmt: skip

    found = prober.inspect(file)

    assert found.media.duration_ms == pytest.approx(20_000, abs=150)
    assert found.media.duration_source is DurationSource.PACKETS


def id3(size_bytes: int) -> bytes:
    """Return an ID3v2 tag with a comment of that size."""
    frame = b"TXXX" + _seven_bits(size_bytes) + b"\0\0" + b"\0" + b"x" * (size_bytes - 1)
    return b"ID3\x04\0\0" + _seven_bits(len(frame)) + frame


def _seven_bits(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


@pytest.mark.parametrize(
    ("extension", "before"),
    [
        ("flac", id3(600)),
        ("aac", id3(600)),
        ("mp3", id3(600)),
        ("flac", id3(300_000)),
        ("aac", id3(300_000)),
        ("mp3", id3(2_000_000)),
        ("aac", id3(600) + id3(600)),
        ("aac", id3(600) + bytes(700)),
        ("mp3", bytes(512)),
        ("aac", bytes(512)),
        ("mp3", bytes(20_000)),
    ],
    ids=lambda each: each if isinstance(each, str) else f"{len(each)} bytes",
)
@pytest.mark.trap(
    "ID3 tags, long ones and several, or zero bytes before the sound",
    "flac, aac, mp3",
    "named by the sound, with the duration of its packets",
)
def test_sound_behind_tags_and_zeros_is_what_it_is(
    prober: RunningProber, studio: Studio, tmp_path: Path, extension: str, before: bytes
) -> None:
    plain = ("-write_xing", "0", "-id3v2_version", "0") if extension == "mp3" else ()
    file = tmp_path / "tagged"
    file.write_bytes(before + studio.make(f"untagged.{extension}", *TONE, *plain).read_bytes())

    found = prober.inspect(file, proven=True)

    assert (found.format.kind, found.format.extension) == (Kind.AUDIO, extension)
    assert found.described, found.description
    assert found.media.duration_ms == pytest.approx(2000, abs=120)


@pytest.mark.trap("variable frame rate", "mp4", "`variableFrameRate: true`")
def test_variable_frame_rate_is_reported(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("vfr.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=30:d=4", "-vf",
                       "select='not(mod(n,3))+lt(n,30)'", "-fps_mode", "vfr", *H264)  # fmt: skip

    found = prober.inspect(file)

    assert found.media.video is not None
    assert found.media.video.variable_frame_rate is True


@pytest.mark.trap("constant frame rate", "mp4", "`24/1`, `variableFrameRate: false`")
def test_constant_frame_rate_is_reported(prober: RunningProber, studio: Studio) -> None:
    found = prober.inspect(studio.video())

    assert found.media.video is not None
    assert (found.media.video.avg_frame_rate, found.media.video.variable_frame_rate) == ("24/1", False)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
@pytest.mark.trap("HDR, PQ and HLG", "mp4 (HEVC)", "`hdr: true`; the thumbnail is tone-mapped")
def test_hdr_is_reported_and_tone_mapped(prober: RunningProber, studio: Studio, transfer: str) -> None:
    file = studio.make(
        f"hdr-{transfer}.mp4", "-f", "lavfi", "-i", "color=0xd04040:s=160x90:d=1", "-c:v", "libx265", "-preset",
        "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none",
        "-vf", f"setparams=color_trc={transfer}:color_primaries=bt2020:colorspace=bt2020nc",
    )  # fmt: skip
    flat = render(prober.client, ThumbnailRequest(file=prober.add(file), width_pixels=320))

    found, thumbnail = prober.inspect(file), prober.thumbnail(file)

    assert found.media.video is not None
    assert (found.media.video.hdr, found.media.video.color_transfer) == (True, transfer)
    assert thumbnail.reason is Reason.THUMBNAIL_STORED, thumbnail.message
    mapped, unmapped = pixels(thumbnail.jpeg, 1, 1), pixels(flat.jpeg, 1, 1)
    assert max(abs(one - other) for one, other in zip(mapped, unmapped, strict=True)) > 10


@pytest.mark.trap("alpha that pix_fmt does not show", "webm (VP9)", "`hasAlpha: true`")
def test_alpha_of_vp9_is_reported(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("alpha.webm", "-f", "lavfi", "-i", "color=red@0.5:s=160x90:d=1,format=yuva420p", "-c:v",
                       "libvpx-vp9", "-pix_fmt", "yuva420p", "-deadline", "realtime", "-cpu-used", "8")  # fmt: skip

    found = prober.inspect(file)

    assert found.media.video is not None
    assert found.media.video.has_alpha is True


@pytest.mark.trap("transparency", "png", "the thumbnail has a white background")
def test_transparent_picture_is_flattened_on_white(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("clear.png", "-f", "lavfi", "-i", "color=black@0.0:s=64x64,format=rgba", "-frames:v", "1")

    found, thumbnail = prober.inspect(file), prober.thumbnail(file)

    assert found.media.video is not None
    assert found.media.video.has_alpha is True
    assert min(pixels(thumbnail.jpeg, 1, 1)) > 250


@pytest.mark.trap("attached picture", "mp3", "audio; its cover is the thumbnail")
def test_audio_with_a_cover_is_audio_with_a_thumbnail(prober: RunningProber, studio: Studio) -> None:
    cover = studio.image("cover.jpg", size="200x200")
    file = studio.make("covered.mp3", *TONE, "-i", str(cover), "-map", "0:a", "-map", "1:v", "-c:v", "copy",
                       "-disposition:v", "attached_pic")  # fmt: skip

    found, thumbnail = prober.inspect(file), prober.thumbnail(file)

    assert (found.format.kind, found.format.extension) == (Kind.AUDIO, "mp3")
    assert found.media.video is None
    assert (found.media.width, found.media.height) == (None, None)
    assert jpeg_size(thumbnail.jpeg) == (200, 200)


@pytest.mark.trap("attached picture", "m4a", "audio; its cover is the thumbnail")
def test_m4a_with_a_cover_is_audio_with_a_thumbnail(prober: RunningProber, studio: Studio) -> None:
    cover = studio.image("cover.jpg", size="200x200")
    file = studio.make("covered.m4a", *TONE, "-i", str(cover), "-map", "0:a", "-map", "1:v", "-c:a", "aac", "-c:v",
                       "copy", "-disposition:v", "attached_pic")  # fmt: skip

    assert prober.inspect(file).format.kind is Kind.AUDIO
    assert jpeg_size(prober.thumbnail(file).jpeg) == (200, 200)


@pytest.mark.trap("cut short", "webm", "Truncated: the last packet ends long before the duration")
def test_truncated_webm_is_detected(prober: RunningProber, studio: Studio, tmp_path: Path) -> None:
    whole = studio.make("long.webm", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=6:d=20", "-c:v", "libvpx", "-deadline",
                        "realtime", "-cpu-used", "8", "-g", "6").read_bytes()  # fmt: skip
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(AttemptError) as caught:
        prober.inspect(tmp_path / "cut")

    assert caught.value.reason is Reason.TRUNCATED


@pytest.mark.trap("`type: video` for audio", "mp3", "TypeMismatch")
def test_type_is_checked(prober: RunningProber, studio: Studio) -> None:
    with pytest.raises(AttemptError) as caught:
        prober.inspect(studio.audio(), expected_type=MediaType.VIDEO)

    assert caught.value.reason is Reason.TYPE_MISMATCH


@pytest.mark.parametrize("expected_type", [MediaType.IMAGE, MediaType.VIDEO])
@pytest.mark.trap("`type: image` or `type: video` for an animation", "gif", "accepted")
def test_animation_is_accepted_as_image_and_as_video(
    prober: RunningProber, studio: Studio, expected_type: MediaType
) -> None:
    file = studio.make("kind-moving.gif", *TEST_VIDEO)

    assert prober.inspect(file, expected_type=expected_type).format.kind is Kind.IMAGE


def test_still_image_is_not_accepted_as_a_video(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("kind-still.gif", *TEST_VIDEO, "-frames:v", "1")

    with pytest.raises(AttemptError) as caught:
        prober.inspect(file, expected_type=MediaType.VIDEO)

    assert caught.value.reason is Reason.TYPE_MISMATCH
    assert prober.inspect(file).media.animated is False


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("kind-moving.webp", ("-c:v", "libwebp_anim")),
        ("kind-moving.png", ("-f", "apng")),
        ("kind-moving.gif", ()),
        ("once.gif", ("-loop", "-1")),
        ("kind-moving.avif", AV1),
    ],
)
@pytest.mark.trap(
    "animations in image formats",
    "webp, apng, gif, avif",
    "image with `animated: true`, with size, duration, frames and rate; a thumbnail, though ffmpeg 7.1 cannot read"
    " animated WebP by itself",
)
def test_animation_is_an_image_that_moves(
    prober: RunningProber, studio: Studio, name: str, arguments: tuple[str, ...]
) -> None:
    file = studio.make(name, *TEST_VIDEO, *arguments)

    found = prober.inspect(file)

    assert (found.format.kind, found.media.animated) == (Kind.IMAGE, True)
    assert (found.media.width, found.media.height) == (320, 180)
    assert found.media.duration_ms == pytest.approx(2000, abs=120)
    assert found.media.video is not None
    assert found.media.video.frame_count == pytest.approx(48, abs=2)
    assert found.media.video.avg_frame_rate is not None
    whole, first = pixels(prober.thumbnail(file).jpeg, 4, 4), pixels(first_frame_of(), 4, 4)
    assert max(abs(one - other) for one, other in zip(whole, first, strict=True)) < 24


def first_frame_of() -> bytes:
    """Return the first frame of TEST_VIDEO as a JPEG."""
    return ffmpeg(*TEST_VIDEO, "-frames:v", "1", "-f", "image2pipe", "-c:v", "mjpeg", "pipe:1")


@pytest.mark.trap("an image in a video container", "avif", "image, with a thumbnail")
def test_avif_is_an_image(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("still.avif", "-f", "lavfi", "-i", "testsrc2=s=320x180", "-frames:v", "1", "-c:v", "libaom-av1",
                       "-still-picture", "1", "-cpu-used", "8")  # fmt: skip

    found = prober.inspect(file)

    assert (found.format.kind, found.format.extension) == (Kind.IMAGE, "avif")
    assert (found.media.width, found.media.height) == (320, 180)
    assert jpeg_size(prober.thumbnail(file).jpeg) == (320, 180)


@pytest.mark.trap("EXIF orientation, C2PA provenance", "jpg", "upright in description and thumbnail; stored unchanged")
def test_exif_orientation_is_applied_and_c2pa_is_kept(
    imports: Imports, prober: RunningProber, sources: Sources, studio: Studio, tmp_path: Path
) -> None:
    plain = studio.make(
        "half-red.jpg", "-f", "lavfi", "-i", "color=red:s=160x160:d=1", "-f", "lavfi", "-i", "color=blue:s=160x160:d=1",
        "-filter_complex", "hstack", "-frames:v", "1",
    ).read_bytes()  # fmt: skip
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + bytes(4)
    segments = {0xE1: b"Exif\0\0" + tiff, 0xEB: b"JP\0\x01\0\0\0\x01" + b"\0\0\0\x18jumb" + b"c2pa" * 4}
    marked = plain[:2] + b"".join(
        bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body for marker, body in segments.items()
    )
    file = tmp_path / "marked.jpg"
    file.write_bytes(marked + plain[2:])

    found, thumbnail = prober.inspect(file), prober.thumbnail(file)
    result = imports.of(sources.file(file))

    assert (found.media.width, found.media.height) == (160, 320)
    assert jpeg_size(thumbnail.jpeg) == (160, 320)
    top = pixels(thumbnail.jpeg, 1, 2)[:3]
    assert top[0] > 150 > top[2]
    assert result.asset is not None, result
    stored = imports.store.client().get_object(Bucket=BUCKET, Key=result.asset.key)["Body"].read()
    assert stored == file.read_bytes()
