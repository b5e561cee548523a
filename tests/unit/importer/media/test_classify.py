"""Magic bytes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_importer.errors import RefusedError
from mediaimport_importer.media import classify


def box(brand: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + brand + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (box(b"isom", b"mp41"), classify.MP4),
        (box(b"qt  "), classify.MOV),
        (box(b"M4A "), classify.M4A),
        (box(b"3gp4"), classify.THREE_GP),
        (box(b"mif1", b"avif"), classify.AVIF),
        (b"\0\0\0\x08wide\0\0\0\0mdat", classify.MOV),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01B\x82\x84webm", classify.WEBM),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x88matroska", classify.MKV),
        (b"RIFF\0\0\0\0WAVEfmt ", classify.WAV),
        (b"RIFF\0\0\0\0AVI LIST", classify.AVI),
        (b"RIFF\0\0\0\0WEBPVP8 ", classify.WEBP),
        (b"GIF89a" + bytes(20), classify.GIF),
        (b"\xff\xd8\xff\xe0", classify.JPEG),
        (b"ID3\x04\0", classify.MP3),
        (b"\xff\xfb\x90\x64", classify.MP3),
        (b"\xff\xf1\x50\x80", classify.AAC),
        (b"fLaC", classify.FLAC),
        (b"OggS" + bytes(24) + b"OpusHead", classify.OPUS),
        (b"OggS" + bytes(24) + b"\x01vorbis", classify.OGG),
        (b"OggS" + bytes(24) + b"\x80theora", classify.OGV),
        ((b"G" + bytes(187)) * 5, classify.TS),
        (b"\0\0\0\x01G" + (bytes(191) + b"G") * 4, classify.TS),
        (b"FLV\x01\x05", classify.FLV),
    ],
)
def test_format_is_detected_from_magic_bytes(head: bytes, expected: classify.Format) -> None:
    assert classify.classify(head) == expected


@pytest.mark.parametrize(
    ("head", "reason", "word"),
    [
        (b"", Reason.NOT_MEDIA, "empty"),
        (b"  <!DOCTYPE HTML>", Reason.NOT_MEDIA, "HTML"),
        (b"\xef\xbb\xbf<html>", Reason.NOT_MEDIA, "HTML"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", Reason.NOT_MEDIA, "XML"),
        (b"<?xml version='1.0'?><svg xmlns=''/>", Reason.NOT_MEDIA, "SVG"),
        (b'{"detail": "gone"}', Reason.NOT_MEDIA, "JSON"),
        (b"PK\x03\x04", Reason.NOT_MEDIA, "zip"),
        (b"%PDF-1.7", Reason.NOT_MEDIA, "PDF"),
        (b"\x1f\x8b\x08", Reason.NOT_MEDIA, "gzip"),
        (b"#EXTM3U\n", Reason.NOT_MEDIA, "playlist"),
        (b"just some words", Reason.NOT_MEDIA, "text"),
        ("schöne Grüße".encode(), Reason.NOT_MEDIA, "text"),
        (bytes(1000), Reason.NOT_MEDIA, "zeros"),
        (b"\x93\x01\x02\xfe\xfd", Reason.NOT_MEDIA, "no known"),
        (box(b"heic"), Reason.UNSUPPORTED_FORMAT, "HEIF"),
        (b"BM\x36\x00", Reason.UNSUPPORTED_FORMAT, "BMP"),
        (b"8BPS", Reason.UNSUPPORTED_FORMAT, "Photoshop"),
    ],
)
def test_refusal_names_the_format(head: bytes, reason: Reason, word: str) -> None:
    with pytest.raises(RefusedError) as caught:
        classify.classify(head)

    assert caught.value.reason is reason
    assert word in caught.value.public_message


@given(st.binary(max_size=200), st.sampled_from([b"", b"\0\0\0\x18ftyp", b"RIFF", b"\x1aE\xdf\xa3", b"OggS", b"\xff"]))
def test_any_bytes_are_either_a_format_or_a_refusal(tail: bytes, start: bytes) -> None:
    try:
        found = classify.classify(start + tail)
    except RefusedError:
        return
    assert 2 <= len(found.extension) <= 5


ACTIVE = [b"<!doctype html", b"<html", b"<script>", b"<svg ", b"<?xml version='1.0'?><svg ", b'{"a": 1}', b"<body "]
"""Beginnings of what a browser would run or show as a page."""


@given(
    st.sampled_from(ACTIVE),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.text(" \t\r\n", max_size=20),
    st.binary(max_size=400),
)
def test_page_or_script_is_never_media_whatever_follows(start: bytes, mark: bytes, space: str, rest: bytes) -> None:
    for beginning in (start, start.upper()):
        with pytest.raises(RefusedError):
            classify.classify(mark + space.encode() + beginning + rest)


def classified(head: bytes) -> classify.Format | Reason:
    try:
        return classify.classify(head)
    except RefusedError as refused:
        return refused.reason


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_format_is_the_same_each_time_and_of_a_known_set(head: bytes, more: bytes) -> None:
    for each in (head, head + more):
        found = classified(each)
        assert found == classified(each)
        if isinstance(found, classify.Format):
            assert re.fullmatch(r"[a-z0-9]{2,5}", found.extension)
        else:
            assert found in {Reason.NOT_MEDIA, Reason.UNSUPPORTED_FORMAT}


def test_every_format_fits_the_keys_of_an_asset() -> None:
    keys = AssetKeys("anna", "id")
    formats = [each for each in vars(classify).values() if isinstance(each, classify.Format)]
    assert len(formats) > 20
    for each in formats:
        twins = [each.with_streams(has_video=v, has_audio=a) for v in (True, False) for a in (True, False)]
        for form in (each, *twins):
            assert keys.is_original(keys.original(kind=form.kind, extension=form.extension))


def test_stored_formats_are_all_that_the_first_bytes_and_the_streams_can_make() -> None:
    formats = classify.stored_formats()
    constants = {each for each in vars(classify).values() if isinstance(each, classify.Format)}
    flags = [(video, audio) for video in (True, False) for audio in (True, False)]
    made = {each.with_streams(has_video=video, has_audio=audio) for each in formats for video, audio in flags}
    framed = {each.with_frames(frames) for each in formats for frames in (None, 1, 2)}
    assert constants | made | framed <= formats
    assert len(formats) < 100
