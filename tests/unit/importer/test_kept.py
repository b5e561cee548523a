"""Keep first, describe second: what came whole is stored, whatever it is."""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from mediaimport_api.reasons import Reason
from mediaimport_api.sidecar import Sidecar, read_record
from mediaimport_api.status import Kind, MediaWarning
from mediaimport_importer.media.classify import HEAD_BYTES, classify

from tests.support.import_runner import Imports
from tests.support.kept_files import KEPT_FILES, KeptFile, glb, photoshop
from tests.support.loopback.store import BUCKET
from tests.support.media_studio import H264, TEST_VIDEO, TONE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mediaimport_api.result import Result

    from tests.support.loopback.store import Store
    from tests.support.media_studio import Studio
    from tests.support.running_prober import RunningProber
    from tests.support.source_server import Conversation, Sources

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 32"/>'
ZIP = b"PK\x05\x06" + bytes(18)


@pytest.fixture
def imports(stores: Callable[[str], Store], sources: Sources, prober: RunningProber, tmp_path: Path) -> Imports:
    """Imports into one store: these tests are about bytes."""
    return Imports(stores("versitygw"), sources, prober, tmp_path)


def imported(imports: Imports, body: bytes, *, content_type: str = "text/plain", **spec: Any) -> Result:  # noqa: ANN401 - the fields of a spec
    url = imports.sources.add(lambda conversation: conversation.answer(body, Content_Type=content_type))
    return imports.of(url, **spec)


def body_of(imports: Imports, result: Result) -> bytes:
    assert result.asset is not None, result
    return imports.store.client().get_object(Bucket=BUCKET, Key=result.asset.key)["Body"].read()


@pytest.mark.parametrize("kept", KEPT_FILES, ids=[each.name for each in KEPT_FILES])
def test_file_is_kept_by_its_kind(imports: Imports, studio: Studio, kept: KeptFile) -> None:
    body = kept.make(studio)

    result = imported(imports, body, content_type="application/x-wrong")

    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert result.media is not None
    kind, extension, content_type = kept.expected
    assert (result.asset.kind, result.asset.content_type) == (kind, content_type)
    assert result.asset.key.endswith(f"/{kind}.{extension}")
    assert body_of(imports, result) == body
    assert result.media.format_name
    assert result.description is not None
    assert result.description.described is kept.described
    if kept.has_size:
        assert (result.media.width, result.media.height, result.media.aspect_ratio) == (320, 180, "16:9")
    assert imports.left_over() == []


UNDESCRIBED = [each for each in KEPT_FILES if not each.described]


@pytest.mark.parametrize("kept", UNDESCRIBED, ids=[each.name for each in UNDESCRIBED])
def test_file_says_why_it_has_neither_description_nor_thumbnail(
    imports: Imports, studio: Studio, kept: KeptFile
) -> None:
    result = imported(imports, kept.make(studio))

    assert result.description is not None
    assert result.thumbnail is not None
    is_media = Kind(kept.expected[0]).is_media
    reasons = {Reason.UNSUPPORTED_FORMAT, Reason.PROBE_FAILED} if is_media else {Reason.NOTHING_TO_DESCRIBE}
    assert result.description.reason in reasons
    assert result.description.message
    assert result.thumbnail.thumbnail is None
    has_picture = kept.expected[0] in {"image", "video"}
    assert result.thumbnail.reason is (Reason.THUMBNAIL_FAILED if has_picture else Reason.NO_PICTURE)


DESCRIBED = [each for each in KEPT_FILES if each.described]


@pytest.mark.parametrize("kept", DESCRIBED, ids=[each.name for each in DESCRIBED])
def test_picture_of_a_rarer_format_has_a_thumbnail(imports: Imports, studio: Studio, kept: KeptFile) -> None:
    result = imported(imports, kept.make(studio))

    assert result.thumbnail is not None
    assert (result.thumbnail.thumbnail is not None) is (kept.expected[0] == "image"), result.thumbnail


def test_sidecar_tells_a_later_run_the_same(imports: Imports) -> None:
    task = imports.task(imports.sources.add(lambda conversation: conversation.answer(glb())))
    first = imports.run(task)
    key = f"media/default/{task.asset_id}/asset.json"
    sidecar = read_record(imports.store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read())

    again = imports.run(task.model_copy(update={"run": "again"}))

    assert isinstance(sidecar, Sidecar)
    assert sidecar.description == first.description
    assert sidecar.ffprobe == {}
    assert (again.asset, again.media, again.description) == (first.asset, first.media, first.description)
    assert again.thumbnail is not None
    assert again.thumbnail.reason is Reason.NO_PICTURE


def test_sidecar_of_an_older_version_is_read(imports: Imports, studio: Studio) -> None:
    task = imports.task(imports.sources.file(studio.image()))
    imports.run(task)
    key = f"media/default/{task.asset_id}/asset.json"
    client = imports.store.client()
    old = read_record(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert isinstance(old, Sidecar)
    client.put_object(
        Bucket=BUCKET, Key=key, Body=old.model_copy(update={"description": None}).model_dump_json(by_alias=True)
    )

    result = imports.run(task.model_copy(update={"run": "again"}))

    assert result.description is not None
    assert (result.reason, result.description.reason) == (Reason.IMPORTED, Reason.DESCRIBED)


def giant_bitmap(width: int = 12_000, height: int = 9_000) -> bytes:
    """Return a black bitmap of 108 megapixels."""
    rows = bytes(width // 8 * height)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 1, 0, len(rows), 0, 0, 2, 0)
    return b"BM" + struct.pack("<IHHI", 62 + len(rows), 0, 0, 62) + header + b"\0\0\0\0\xff\xff\xff\0" + rows


@pytest.mark.trap(
    "a picture of more pixels than are safe to decode", "bmp", "kept, with the size in its header, without thumbnail"
)
def test_picture_beyond_the_pixel_limit_is_kept_with_its_size(imports: Imports) -> None:
    result = imported(imports, giant_bitmap())

    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert result.media is not None
    assert result.description is not None
    assert result.thumbnail is not None
    assert (result.asset.kind, result.asset.content_type) == ("image", "image/bmp")
    assert (result.media.width, result.media.height) == (12_000, 9_000)
    assert result.media.warnings == [MediaWarning.DESCRIPTION_MISSING]
    assert result.description.reason is Reason.PIXEL_LIMIT_EXCEEDED
    assert result.thumbnail.reason is Reason.THUMBNAIL_FAILED


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"\xff\xd8\xff\xe0", "image.jpg"),
        (b"\x89PNG\r\n\x1a\n", "image.png"),
        (b"RIFF\xff\0\0\0WAVEfmt ", "audio.wav"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isommp42", "video.mp4"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\x82\x84webm", "video.webm"),
    ],
)
@pytest.mark.trap(
    "media that ffprobe cannot read, whole by its transport", "jpg, png, wav, mp4, webm", "kept by its first bytes"
)
def test_media_that_cannot_be_read_is_kept_by_its_first_bytes(imports: Imports, start: bytes, name: str) -> None:
    body = start + b"\x93\x01\xfe" * 500

    result = imported(imports, body)

    assert result.reason is Reason.IMPORTED, result
    assert result.asset is not None
    assert result.media is not None
    assert result.description is not None
    assert result.asset.key.endswith(f"/{name}")
    assert body_of(imports, result) == body
    assert (result.media.warnings, result.description.described) == ([MediaWarning.DESCRIPTION_MISSING], False)
    assert "without description" in result.message


@pytest.mark.parametrize(
    ("body", "kind"), [(SVG, "image"), (ZIP, "archive"), (b"words", "document"), (glb(), "model3d")]
)
@pytest.mark.trap("`type: video` for something else", "svg, zip, txt, glb", "TypeMismatch; nothing stored")
def test_another_kind_than_the_expected_is_refused(imports: Imports, body: bytes, kind: str) -> None:
    wrong, right, anything = (imported(imports, body, type=each) for each in ("video", kind, "file"))

    assert wrong.reason is Reason.TYPE_MISMATCH
    assert kind in wrong.message
    assert (right.reason, anything.reason) == (Reason.IMPORTED, Reason.IMPORTED)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (ZIP, Reason.NOT_MEDIA),
        (b"words", Reason.NOT_MEDIA),
        (photoshop(), Reason.UNSUPPORTED_FORMAT),
        (b"\xff\xd8\xff\xe0" + bytes(100), Reason.PROBE_FAILED),
        (giant_bitmap(), Reason.PIXEL_LIMIT_EXCEEDED),
    ],
    ids=["zip", "txt", "psd", "damaged", "giant"],
)
@pytest.mark.trap("`undescribed: Refuse`", "zip, txt, psd, jpg, bmp", "a reason each; nothing stored")
def test_what_cannot_be_described_is_refused_where_the_spec_says_so(
    imports: Imports, body: bytes, reason: Reason
) -> None:
    task = imports.task(imports.sources.add(lambda conversation: conversation.answer(body)), undescribed="Refuse")

    result = imports.run(task)

    assert result.reason is reason, result
    assert not result.reason.retryable
    assert imports.stored(task) == {}
    assert imports.left_over() == []


def test_media_that_is_described_is_kept_where_the_rest_is_refused(imports: Imports, studio: Studio) -> None:
    result = imported(imports, studio.image().read_bytes(), undescribed="Refuse")

    assert result.description is not None
    assert (result.reason, result.description.reason) == (Reason.IMPORTED, Reason.DESCRIBED)


def test_error_document_is_kept_if_its_checksum_is_the_expected_one(imports: Imports) -> None:
    body = b'{"error": "none of them"}'

    assert imported(imports, body).reason is Reason.NOT_MEDIA
    assert imported(imports, body, expected={"sha256": sha256(body).hexdigest()}).reason is Reason.IMPORTED


FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov")
HEADERS: dict[str, tuple[tuple[str, ...], bytes]] = {
    # ffmpeg's arguments, and how the first piece of media begins
    "mp4": ((*TEST_VIDEO, *H264, *FRAGMENTED), b"moof"),
    "m4a": ((*TONE, "-c:a", "aac", *FRAGMENTED), b"moof"),
    "mov": ((*TEST_VIDEO, *H264, *FRAGMENTED), b"moof"),
    "webm": ((*TEST_VIDEO, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "16"), b"\x1f\x43\xb6\x75"),
    "mkv": ((*TEST_VIDEO, *H264), b"\x1f\x43\xb6\x75"),
}


@pytest.mark.parametrize("extension", HEADERS)
@pytest.mark.trap(
    "an initialisation segment: a header without any picture or sound, whole by its transport",
    "mp4, m4a, mov, webm, mkv",
    "Truncated; kept if its checksum is the expected one",
)
def test_initialisation_segment_alone_is_no_media(imports: Imports, studio: Studio, extension: str) -> None:
    arguments, start = HEADERS[extension]
    whole = studio.make(f"fragments.{extension}", *arguments).read_bytes()
    header = whole[: whole.index(start) - (4 if start == b"moof" else 0)]

    alone, with_media = (imported(imports, body) for body in (header, whole))
    known = imported(imports, header, expected={"sha256": sha256(header).hexdigest()})

    assert (alone.reason, alone.asset) == (Reason.TRUNCATED, None)
    assert "initialisation segment" in alone.message
    assert (with_media.reason, known.reason) == (Reason.IMPORTED, Reason.IMPORTED)


def ended_by_its_connection(body: bytes) -> Callable[[Conversation], None]:
    return lambda conversation: conversation.send(b"HTTP/1.0 200 OK\r\n\r\n" + body)


def test_body_whose_end_nothing_proves_is_kept_with_a_doubt(imports: Imports) -> None:
    result = imports.of(imports.sources.add(ended_by_its_connection(b"\x93\x01\xfe" * 500)))

    assert result.media is not None
    assert result.media.warnings == [MediaWarning.END_UNVERIFIED]


def test_unreadable_media_whose_end_nothing_proves_is_asked_for_again(imports: Imports) -> None:
    unreadable = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + b"\x93\x01\xfe" * 500
    task = imports.task(imports.sources.add(ended_by_its_connection(unreadable)))

    result = imports.run(task)

    assert (result.reason, result.reason.retryable) == (Reason.TRUNCATED, True), result
    assert imports.stored(task) == {}


@pytest.mark.trap(
    "a header that claims more than the packets hold", "webm", "kept; `durationMs` of the packets, with a warning"
)
def test_duration_of_the_packets_is_told_where_the_header_claims_more(imports: Imports, studio: Studio) -> None:
    result = imported(imports, longer_webm(studio))

    assert result.reason is Reason.IMPORTED, result
    assert result.media is not None
    assert result.media.warnings == [MediaWarning.DURATION_MISMATCH]
    assert result.media.duration_ms == pytest.approx(2000, abs=150)
    assert result.media.duration_source == "packets"


def test_duration_of_an_mp4_is_not_the_one_that_its_header_claims(imports: Imports, studio: Studio) -> None:
    media = imported(imports, hour_long_mp4(studio)).media

    assert media is not None
    assert media.duration_ms == pytest.approx(2000, abs=150)
    # ffprobe 5 believes the header, which is a doubt then; ffprobe 7 adds up the samples.
    assert (media.duration_source, media.warnings) in [
        ("packets", [MediaWarning.DURATION_MISMATCH]),
        ("container", None),
    ]


def hour_long_mp4(studio: Studio) -> bytes:
    """Return an MP4 of two seconds whose header says nine hours."""
    body = bytearray(studio.video().read_bytes())
    at = body.index(b"mvhd") + 4
    (scale,) = struct.unpack_from(">I", body, at + 12)
    struct.pack_into(">I", body, at + 16, scale * 9 * 3600)
    return bytes(body)


def longer_webm(studio: Studio) -> bytes:
    """Return a WebM of two seconds whose header says ten."""
    arguments = ("-f", "lavfi", "-i", "testsrc2=s=160x90:r=10:d=2", "-c:v", "libvpx", "-deadline", "realtime")
    body = bytearray(studio.make("claims-more.webm", *arguments).read_bytes())
    at = body.index(b"\x44\x89\x88") + 3
    struct.pack_into(">d", body, at, 10_000.0)
    return bytes(body)


def test_files_of_the_table_are_told_by_their_first_bytes_alone(studio: Studio) -> None:
    for kept in KEPT_FILES:
        found = classify(kept.make(studio)[:HEAD_BYTES])
        assert (found.kind, found.extension, found.content_type) == kept.expected, kept.name
