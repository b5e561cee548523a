"""Kinds and traps: what real media files come out as, by the real ffprobe and ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.spec import MediaType, ThumbnailFrame, ThumbnailSpec
from mediaimport_api.status import DurationSource, Kind
from mediaimport_importer import inspection
from mediaimport_importer.classify import HEAD_BYTES, classify
from mediaimport_importer.endings import is_cut
from mediaimport_importer.errors import AttemptError
from mediaimport_importer.jpeg import jpeg_size
from mediaimport_prober.protocol import ThumbnailRequest

from tests.support.loopback.store import BUCKET

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_importer.inspection import Inspection, Shot

    from tests.unit.importer.conftest import Imports, RunningProber, Sources, Studio


def inspected(prober: RunningProber, file: Path, *, asked: MediaType = MediaType.AUTO) -> Inspection:
    sniffed = classify(file.read_bytes()[:HEAD_BYTES])
    return inspection.inspect(prober.client, prober.take(file), sniffed, asked=asked, size_bytes=file.stat().st_size)


def shot_of(prober: RunningProber, file: Path, *, frame: ThumbnailFrame = ThumbnailFrame.FIRST) -> Shot:
    name, sniffed = prober.take(file), classify(file.read_bytes()[:HEAD_BYTES])
    found = inspection.inspect(prober.client, name, sniffed, asked=MediaType.AUTO, size_bytes=file.stat().st_size)
    request = inspection.guess(name, ThumbnailSpec(frame=frame), sniffed)
    return inspection.final_shot(prober.client, request, inspection.shoot(prober.client, request), found)


def pixels(jpeg: bytes, width: int, height: int) -> bytes:
    """Return the picture scaled to so many RGB pixels."""
    scaled = ("-vf", f"scale={width}:{height}", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1")
    return ffmpeg("-f", "jpeg_pipe", "-i", "pipe:0", *scaled, stdin=jpeg)


def ffmpeg(*arguments: str, stdin: bytes = b"") -> bytes:
    """Return what ffmpeg writes to its standard output."""
    command = [shutil.which("ffmpeg") or "ffmpeg", "-v", "error", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


TEST = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=2")
TONE = ("-f", "lavfi", "-i", "sine=d=2")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")

VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")

KINDS: list[tuple[str, tuple[str, ...], tuple[str, str, str]]] = [
    # file, how it is made, and what it is: kind, extension of the stored object, content type
    ("mp4.mp4", (*TEST, *TONE, *H264, "-c:a", "aac"), ("video", "mp4", "video/mp4")),
    ("mov.mov", (*TEST, *H264), ("video", "mov", "video/quicktime")),
    ("mkv.mkv", (*TEST, *H264), ("video", "mkv", "video/x-matroska")),
    ("webm.webm", (*TEST, *VP9), ("video", "webm", "video/webm")),
    ("ts.ts", (*TEST, *H264), ("video", "ts", "video/mp2t")),
    ("avi.avi", (*TEST, "-c:v", "mpeg4"), ("video", "avi", "video/x-msvideo")),
    ("flv.flv", (*TEST, *H264), ("video", "flv", "video/x-flv")),
    ("wmv.wmv", (*TEST, "-c:v", "wmv2"), ("video", "wmv", "video/x-ms-wmv")),
    ("mpg.mpg", (*TEST, "-r", "25", "-c:v", "mpeg2video"), ("video", "mpg", "video/mpeg")),
    ("ogv.ogv", (*TEST, "-c:v", "libtheora"), ("video", "ogv", "video/ogg")),
    ("moving.gif", TEST, ("video", "gif", "image/gif")),
    ("still.gif", (*TEST, "-frames:v", "1"), ("image", "gif", "image/gif")),
    ("moving.png", (*TEST, "-f", "apng"), ("video", "png", "image/png")),
    ("moving.webp", (*TEST, "-c:v", "libwebp_anim"), ("video", "webp", "image/webp")),
    ("jpeg.jpg", (*TEST, "-frames:v", "1"), ("image", "jpg", "image/jpeg")),
    ("png.png", (*TEST, "-frames:v", "1"), ("image", "png", "image/png")),
    ("webp.webp", (*TEST, "-frames:v", "1", "-c:v", "libwebp"), ("image", "webp", "image/webp")),
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


@pytest.mark.parametrize(("name", "made", "told"), KINDS, ids=[row[0] for row in KINDS])
def test_kind_is_told_by_the_bytes(
    prober: RunningProber, studio: Studio, name: str, made: tuple[str, ...], told: tuple[str, str, str]
) -> None:
    file = studio.make(f"kind-{name}", *made)

    found = inspected(prober, file)
    shot = shot_of(prober, file)

    assert (found.format.kind, found.format.extension, found.format.content_type) == told
    if found.format.kind is Kind.AUDIO:
        assert shot.reason is Reason.NO_PICTURE
        assert found.media.audio is not None
    else:
        assert jpeg_size(shot.jpeg) == (320, 180), shot
        assert (found.media.width, found.media.height) == (320, 180)
    if found.format.kind is Kind.IMAGE:
        assert found.media.duration_ms is None
    else:
        assert found.media.duration_ms == pytest.approx(2000, abs=120)


@pytest.mark.trap("every kind, whole", "each file of the table above", "stored byte by byte, named by its kind")
def test_every_kind_is_stored_as_it_is(any_imports: Imports, sources: Sources, studio: Studio) -> None:
    for name, made, (kind, extension, content_type) in KINDS:
        file = studio.make(f"kind-{name}", *made)
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
    "coded size, rotation and the size that viewers see are told apart; the thumbnail is upright",
)
def test_rotated_video_is_described_and_shown_upright(prober: RunningProber, studio: Studio) -> None:
    flat = studio.make("half-red.mp4", "-f", "lavfi", "-i", "color=red:s=160x160:d=1", "-f", "lavfi", "-i",
                       "color=blue:s=160x160:d=1", "-filter_complex", "hstack", *H264)  # fmt: skip
    turned = (
        studio.make("turned.mp4", "-display_rotation", "-90", "-i", str(flat), "-c", "copy")
        if _can_turn()
        else (studio.make("turned.mp4", "-i", str(flat), "-c", "copy", "-metadata:s:v", "rotate=270"))
    )

    found, shot = inspected(prober, turned), shot_of(prober, turned)

    assert found.media.video is not None
    assert found.media.video.rotation == 90
    assert (found.media.width, found.media.height) == (160, 320)
    assert jpeg_size(shot.jpeg) == (160, 320)
    top, bottom = pixels(shot.jpeg, 1, 2)[:3], pixels(shot.jpeg, 1, 2)[3:]
    assert top[0] > 150 > top[2]
    assert bottom[2] > 150 > bottom[0]


def _can_turn() -> bool:
    """Tell whether ffmpeg is new enough to write a rotation by its own option; older ones have a tag."""
    return b"-display_rotation" in ffmpeg("-h", "full")


@pytest.mark.trap("sample aspect ratio 16:11", "mp4", "width as viewers see it; the thumbnail has square pixels")
def test_sample_aspect_ratio_makes_square_pixels(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("anamorphic.mp4", "-f", "lavfi", "-i", "testsrc2=s=360x288:d=1", "-vf", "setsar=16/11", *H264)

    found, shot = inspected(prober, file), shot_of(prober, file)

    assert (found.media.width, found.media.height) == (524, 288)
    assert found.media.video is not None
    assert found.media.video.sample_aspect_ratio == "16:11"
    assert jpeg_size(shot.jpeg) == (320, 176)


@pytest.mark.parametrize(
    ("size", "expected"), [("64x6400", (13, 1280)), ("32x32", (32, 32)), ("2x2", (2, 2)), ("1920x1080", (320, 180))]
)
@pytest.mark.trap("very tall, very small and large pictures", "png", "never enlarged, at most 320 wide and 1280 high")
def test_thumbnail_is_never_enlarged_and_never_a_tower(
    prober: RunningProber, studio: Studio, size: str, expected: tuple[int, int]
) -> None:
    file = studio.make(f"size-{size}.png", "-f", "lavfi", "-i", f"testsrc=s={size}:d=1", "-frames:v", "1")

    assert jpeg_size(shot_of(prober, file).jpeg) == expected


@pytest.mark.trap("no duration in the container", "webm", "taken from the packets, and `durationSource` says so")
def test_piped_webm_gets_its_duration_from_the_packets(prober: RunningProber, tmp_path: Path) -> None:
    piped = ffmpeg(*TEST, "-c:v", "libvpx", "-deadline", "realtime", "-live", "1", "-f", "webm", "pipe:1")
    (tmp_path / "piped").write_bytes(piped)

    found = inspected(prober, tmp_path / "piped")

    assert found.media.duration_source is DurationSource.PACKETS
    assert found.media.duration_ms == pytest.approx(2000, abs=60)


@pytest.mark.trap("variable frame rate", "mp4", "`variableFrameRate: true`")
def test_variable_frame_rate_is_told(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("vfr.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=30:d=4", "-vf",
                       "select='not(mod(n,3))+lt(n,30)'", "-fps_mode", "vfr", *H264)  # fmt: skip

    found = inspected(prober, file)

    assert found.media.video is not None
    assert found.media.video.variable_frame_rate is True


@pytest.mark.trap("constant frame rate", "mp4", "`24/1`, `variableFrameRate: false`")
def test_constant_frame_rate_is_told(prober: RunningProber, studio: Studio) -> None:
    found = inspected(prober, studio.video())

    assert found.media.video is not None
    assert (found.media.video.avg_frame_rate, found.media.video.variable_frame_rate) == ("24/1", False)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
@pytest.mark.trap("HDR, PQ and HLG", "mp4 (HEVC)", "`hdr: true`; the thumbnail is tone-mapped")
def test_hdr_is_told_and_tone_mapped(prober: RunningProber, studio: Studio, transfer: str) -> None:
    file = studio.make(
        f"hdr-{transfer}.mp4", "-f", "lavfi", "-i", "color=0xd04040:s=160x90:d=1", "-c:v", "libx265", "-preset",
        "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none",
        "-color_trc", transfer, "-color_primaries", "bt2020", "-colorspace", "bt2020nc",
    )  # fmt: skip
    flat = inspection.shoot(prober.client, ThumbnailRequest(file=prober.take(file), width_pixels=320))

    found, shot = inspected(prober, file), shot_of(prober, file)

    assert found.media.video is not None
    assert (found.media.video.hdr, found.media.video.color_transfer) == (True, transfer)
    assert shot.reason is Reason.THUMBNAIL_STORED, shot.message
    mapped, unmapped = pixels(shot.jpeg, 1, 1), pixels(flat.jpeg, 1, 1)
    assert max(abs(one - other) for one, other in zip(mapped, unmapped, strict=True)) > 10


@pytest.mark.trap("alpha that pix_fmt hides", "webm (VP9)", "`hasAlpha: true`")
def test_alpha_of_vp9_is_told(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("alpha.webm", "-f", "lavfi", "-i", "color=red@0.5:s=160x90:d=1,format=yuva420p", "-c:v",
                       "libvpx-vp9", "-pix_fmt", "yuva420p", "-deadline", "realtime", "-cpu-used", "8")  # fmt: skip

    found = inspected(prober, file)

    assert found.media.video is not None
    assert found.media.video.has_alpha is True


@pytest.mark.trap("transparency", "png", "the thumbnail stands on white")
def test_transparent_picture_is_flattened_on_white(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("clear.png", "-f", "lavfi", "-i", "color=black@0.0:s=64x64,format=rgba", "-frames:v", "1")

    found, shot = inspected(prober, file), shot_of(prober, file)

    assert found.media.video is not None
    assert found.media.video.has_alpha is True
    assert min(pixels(shot.jpeg, 1, 1)) > 250


@pytest.mark.trap("attached picture", "mp3", "audio; its cover is the thumbnail")
def test_audio_with_a_cover_is_audio_with_a_thumbnail(prober: RunningProber, studio: Studio) -> None:
    cover = studio.image("cover.jpg", size="200x200")
    file = studio.make("covered.mp3", *TONE, "-i", str(cover), "-map", "0:a", "-map", "1:v", "-c:v", "copy",
                       "-disposition:v", "attached_pic")  # fmt: skip

    found, shot = inspected(prober, file), shot_of(prober, file)

    assert (found.format.kind, found.format.extension) == (Kind.AUDIO, "mp3")
    assert found.media.video is None
    assert (found.media.width, found.media.height) == (None, None)
    assert jpeg_size(shot.jpeg) == (200, 200)


@pytest.mark.trap("attached picture", "m4a", "audio; its cover is the thumbnail")
def test_m4a_with_a_cover_is_audio_with_a_thumbnail(prober: RunningProber, studio: Studio) -> None:
    cover = studio.image("cover.jpg", size="200x200")
    file = studio.make("covered.m4a", *TONE, "-i", str(cover), "-map", "0:a", "-map", "1:v", "-c:a", "aac", "-c:v",
                       "copy", "-disposition:v", "attached_pic")  # fmt: skip

    assert inspected(prober, file).format.kind is Kind.AUDIO
    assert jpeg_size(shot_of(prober, file).jpeg) == (200, 200)


BLACK_THEN_RED = ("-f", "lavfi", "-i", "color=black:s=160x90:r=24:d=1", "-f", "lavfi", "-i",
                  "color=red:s=160x90:r=24:d=1", "-filter_complex", "concat", *H264)  # fmt: skip


@pytest.mark.trap("black first frame", "mp4", "kept: the first frame is what was asked for")
def test_first_frame_stays_first_though_it_is_black(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("black-start.mp4", *BLACK_THEN_RED)

    shot = shot_of(prober, file)

    assert max(pixels(shot.jpeg, 1, 1)) < 20
    assert shot.luma is not None
    assert shot.luma < 8


@pytest.mark.trap("black first frame, `frame: skipBlack`", "mp4", "the first frame that is not black")
def test_skip_black_looks_further(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("black-start.mp4", *BLACK_THEN_RED)

    shot = shot_of(prober, file, frame=ThumbnailFrame.SKIP_BLACK)

    assert pixels(shot.jpeg, 1, 1)[0] > 150


@pytest.mark.trap("nothing but black, `frame: skipBlack`", "mp4", "the first frame")
def test_skip_black_of_nothing_but_black_is_the_first_frame(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("black.mp4", "-f", "lavfi", "-i", "color=black:s=160x90:d=1", *H264)

    shot = shot_of(prober, file, frame=ThumbnailFrame.SKIP_BLACK)

    assert jpeg_size(shot.jpeg) == (160, 90)


@pytest.mark.parametrize("name", ["cut.jpg", "cut.png", "cut.webp"])
@pytest.mark.trap("cut short", "jpg, png, webp", "Truncated, though ffprobe finds nothing wrong")
def test_image_that_was_cut_is_no_import(name: str, studio: Studio) -> None:
    whole = studio.make(f"whole-{name}", *TEST, "-frames:v", "1").read_bytes()
    half = whole[: len(whole) // 2]
    extension = name.partition(".")[2]

    assert is_cut(extension, head=half, tail=half, size_bytes=len(half))
    assert not is_cut(extension, head=whole, tail=whole, size_bytes=len(whole))


@pytest.mark.trap("cut short", "webm", "Truncated: the last packet ends long before the duration")
def test_cut_webm_is_truncated(prober: RunningProber, studio: Studio, tmp_path: Path) -> None:
    whole = studio.make("long.webm", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=24:d=20", "-c:v", "libvpx", "-deadline",
                        "realtime", "-cpu-used", "8", "-g", "24").read_bytes()  # fmt: skip
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(AttemptError) as caught:
        inspected(prober, tmp_path / "cut")

    assert caught.value.reason is Reason.TRUNCATED


@pytest.mark.trap("`type: video` for a sound", "mp3", "TypeMismatch")
def test_type_is_checked(prober: RunningProber, studio: Studio) -> None:
    with pytest.raises(AttemptError) as caught:
        inspected(prober, studio.audio(), asked=MediaType.VIDEO)

    assert caught.value.reason is Reason.TYPE_MISMATCH


@pytest.mark.trap("`type: image` for a moving picture", "gif", "taken")
def test_moving_gif_serves_who_asks_for_an_image(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("kind-moving.gif", *TEST)

    assert inspected(prober, file, asked=MediaType.IMAGE).format.kind is Kind.VIDEO


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("kind-moving.webp", ("-c:v", "libwebp_anim")), ("kind-moving.png", ("-f", "apng")), ("kind-moving.gif", ())],
)
@pytest.mark.trap(
    "moving pictures in an image's format",
    "webp, apng, gif",
    "video, with size, duration, frames and rate; a thumbnail, though ffmpeg 7.1 cannot read animated WebP by itself",
)
def test_moving_picture_is_described_as_what_it_is(
    prober: RunningProber, studio: Studio, name: str, arguments: tuple[str, ...]
) -> None:
    file = studio.make(name, *TEST, *arguments)

    found = inspected(prober, file)

    assert found.format.kind is Kind.VIDEO
    assert (found.media.width, found.media.height) == (320, 180)
    assert found.media.duration_ms == pytest.approx(2000, abs=120)
    assert found.media.video is not None
    assert found.media.video.frame_count == pytest.approx(48, abs=2)
    assert found.media.video.avg_frame_rate is not None
    whole, first = pixels(shot_of(prober, file).jpeg, 4, 4), pixels(first_frame_of(), 4, 4)
    assert max(abs(one - other) for one, other in zip(whole, first, strict=True)) < 24


def first_frame_of() -> bytes:
    """Return the first frame of TEST as a JPEG."""
    return ffmpeg(*TEST, "-frames:v", "1", "-f", "image2pipe", "-c:v", "mjpeg", "pipe:1")


@pytest.mark.parametrize("codec", [("-lossless", "1"), ("-lossless", "0")], ids=["VP8L", "ALPH and VP8"])
@pytest.mark.trap("a first frame smaller than the canvas, transparent", "webp (animated)", "it stands where it belongs")
def test_first_frame_of_animated_webp_stands_where_it_belongs(
    prober: RunningProber, studio: Studio, tmp_path: Path, codec: tuple[str, str]
) -> None:
    still = studio.make(
        f"patch{codec[1]}.webp", "-f", "lavfi", "-i", "color=red@0.9:s=40x40,format=rgba", "-frames:v", "1", "-c:v",
        "libwebp", *codec,
    ).read_bytes()  # fmt: skip
    (tmp_path / "patch.webp").write_bytes(animated(still, canvas=(100, 80), at=(20, 10), size=(40, 40)))

    found, shot = inspected(prober, tmp_path / "patch.webp"), shot_of(prober, tmp_path / "patch.webp")

    assert found.media.video is not None
    assert (found.media.width, found.media.height, found.media.video.has_alpha) == (100, 80, True)
    assert jpeg_size(shot.jpeg) == (100, 80)
    grid = pixels(shot.jpeg, 10, 8)
    inside, outside = grid[(3 * 10 + 4) * 3 :][:3], grid[:3]
    assert inside[0] > 180
    assert inside[2] < 100
    assert min(outside) > 240


def animated(still: bytes, *, canvas: tuple[int, int], at: tuple[int, int], size: tuple[int, int]) -> bytes:
    """Return an animated WebP of one frame, twice."""

    def three(number: int) -> bytes:
        return number.to_bytes(3, "little")

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) & 1)

    body = still[12:]
    if body.startswith(b"VP8X"):
        body = body[18:]
    place = b"".join(three(number) for number in (at[0] // 2, at[1] // 2, size[0] - 1, size[1] - 1, 500))
    header = bytes([0x12, 0, 0, 0]) + three(canvas[0] - 1) + three(canvas[1] - 1)
    chunks = chunk(b"VP8X", header) + chunk(b"ANIM", bytes(6)) + 2 * chunk(b"ANMF", place + b"\0" + body)
    return b"RIFF" + (len(chunks) + 4).to_bytes(4, "little") + b"WEBP" + chunks


@pytest.mark.trap("a still picture that looks like a video", "avif", "image, with a thumbnail")
def test_avif_is_an_image(prober: RunningProber, studio: Studio) -> None:
    file = studio.make("still.avif", "-f", "lavfi", "-i", "testsrc2=s=320x180", "-frames:v", "1", "-c:v", "libaom-av1",
                       "-still-picture", "1", "-cpu-used", "8")  # fmt: skip

    found = inspected(prober, file)

    assert (found.format.kind, found.format.extension) == (Kind.IMAGE, "avif")
    assert (found.media.width, found.media.height) == (320, 180)
    assert jpeg_size(shot_of(prober, file).jpeg) == (320, 180)


@pytest.mark.trap(
    "EXIF orientation, C2PA provenance", "jpg", "upright in description and thumbnail; stored byte by byte"
)
def test_exif_and_c2pa_are_heeded_and_kept(
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

    found, shot = inspected(prober, file), shot_of(prober, file)
    result = imports.of(sources.file(file))

    assert (found.media.width, found.media.height) == (160, 320)
    assert jpeg_size(shot.jpeg) == (160, 320)
    top = pixels(shot.jpeg, 1, 2)[:3]
    assert top[0] > 150 > top[2]
    assert result.asset is not None, result
    stored = imports.store.client().get_object(Bucket=BUCKET, Key=result.asset.key)["Body"].read()
    assert stored == file.read_bytes()
