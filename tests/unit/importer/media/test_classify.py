"""Magic bytes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_api.names import AssetKeys
from mediaimport_api.reasons import Reason
from mediaimport_api.status import Kind
from mediaimport_importer.errors import RefusedError
from mediaimport_importer.media import classify, formats
from mediaimport_importer.media.formats import Format


def box(brand: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + brand + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (box(b"isom", b"mp41"), formats.MP4),
        (box(b"qt  "), formats.MOV),
        (box(b"M4A "), formats.M4A),
        (box(b"3gp4"), formats.THREE_GP),
        (box(b"mif1", b"avif"), formats.AVIF),
        (b"\0\0\0\x08wide\0\0\0\0mdat", formats.MOV),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01B\x82\x84webm", formats.WEBM),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x88matroska", formats.MKV),
        (b"RIFF\0\0\0\0WAVEfmt ", formats.WAV),
        (b"RIFF\0\0\0\0AVI LIST", formats.AVI),
        (b"RIFF\0\0\0\0WEBPVP8 ", formats.WEBP),
        (b"GIF89a" + bytes(20), formats.GIF),
        (b"\xff\xd8\xff\xe0", formats.JPEG),
        (b"ID3\x04\0", formats.MP3),
        (b"\xff\xfb\x90\x64", formats.MP3),
        (b"\xff\xf1\x50\x80", formats.AAC),
        (b"fLaC", formats.FLAC),
        (b"OggS" + bytes(24) + b"OpusHead", formats.OPUS),
        (b"OggS" + bytes(24) + b"\x01vorbis", formats.OGG),
        (b"OggS" + bytes(24) + b"\x80theora", formats.OGV),
        ((b"G" + bytes(187)) * 5, formats.TS),
        (b"\0\0\0\x01G" + (bytes(191) + b"G") * 4, formats.TS),
        (b"FLV\x01\x05", formats.FLV),
    ],
)
def test_format_is_detected_from_magic_bytes(head: bytes, expected: Format) -> None:
    assert classify.classify(head) == expected


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"", "empty"),
        (b"  <!DOCTYPE HTML>", "HTML"),
        (b"\xef\xbb\xbf<html>", "HTML"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC '-//W3C'><html xmlns=''/>", "HTML"),
        (b"<!-- cached --><html>", "HTML"),
        (b"\xff\xfe" + "<html>".encode("utf-16-le"), "HTML"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML error"),
        (b"<Error><Message>Request has expired</Message></Error>", "XML error"),
        (b"<s:Envelope><s:Body><faultstring>no</faultstring></s:Body></s:Envelope>", "XML error"),
        *[
            (body, "JSON error")
            for body in (
                b'{"detail": "gone"}',
                b'{"error": {"code": 403, "message": "expired"}}',
                b'{"ErrMsg":"file not exist"}',
                b'{"message": "Forbidden"}',
                b'{"code": "AccessDenied", "message": "no", "request_id": "1"}',
                b'{"type": "about:blank", "title": "Gone", "status": 410, "detail": null}',
                b'{"success": false, "data": null}',
                b'{"status": "error", "result": null}',
                b'{"code": 1001, "msg": "unknown file", "data": {}}',
            )
        ],
    ],
)
def test_page_or_error_document_is_refused_by_its_name(head: bytes, word: str) -> None:
    with pytest.raises(RefusedError) as caught:
        classify.classify(head)

    assert caught.value.reason is Reason.NOT_MEDIA
    assert word in caught.value.public_message


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "hello", "error": null}',
        b'{"error": "low light", "label": "cat"}',
        b'{"status": "succeeded", "message": "done"}',
        b'{"code": 200, "message": "ok", "data": {"url": "x"}}',
        b'{"error": "no face", "result": [1, 2]}',
        b'{"description": "a missing cat in an invalid frame"}',
        b'[{"error": "one of many"}]',
        b"{}",
    ],
)
def test_json_that_says_more_than_an_error_is_a_document(body: bytes) -> None:
    assert classify.classify(body) == formats.JSON


@pytest.mark.parametrize("body", [b'{"error": "expected"}', b"<Error><Code>Expected</Code></Error>"])
def test_error_document_whose_checksum_is_expected_is_a_document(body: bytes) -> None:
    assert classify.classify(body, trusted=True).kind is Kind.DOCUMENT


def test_page_is_refused_though_its_checksum_is_expected() -> None:
    with pytest.raises(RefusedError):
        classify.classify(b"<html>", trusted=True)


TAG = b"ID3\x04\0\0\0\0\0\x05title"
MP3_FRAME, ADTS_FRAME = b"\xff\xfb\x90\x64".ljust(417, b"\1"), b"\xff\xf1\x50\x80\x04\0\0".ljust(32, b"\1")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (TAG + b"fLaC", formats.FLAC),
        (TAG + TAG + ADTS_FRAME * 2, formats.AAC),
        (TAG + bytes(9) + MP3_FRAME * 2, formats.MP3),
        (TAG + b"no frame at all", formats.MP3),
        (bytes(512) + MP3_FRAME * 2, formats.MP3),
        (bytes(512) + ADTS_FRAME * 2, formats.AAC),
        (bytes(512) + MP3_FRAME, formats.BINARY),
        (bytes(512) + MP3_FRAME + bytes(417), formats.BINARY),
    ],
)
def test_sound_is_found_behind_tags_and_zeros(head: bytes, expected: Format) -> None:
    assert classify.classify(head) == expected


@given(st.binary(max_size=200), st.sampled_from([b"", b"\0\0\0\x18ftyp", b"RIFF", b"\x1aE\xdf\xa3", b"OggS", b"\xff"]))
def test_any_bytes_are_either_a_format_or_a_refusal(tail: bytes, start: bytes) -> None:
    try:
        found = classify.classify(start + tail)
    except RefusedError:
        return
    assert 2 <= len(found.extension) <= 11


PAGES = [b"<!doctype html", b"<html>", b"<script>", b"<body "]
OTHERS = [b"<html", b"<svg ", b"<?xml version='1.0'?><svg ", b'{"a": 1}']
"""Beginnings of what a browser would run or show as a page."""
INLINE = {each for each in formats.stored_formats() if each.kind.is_media and each != formats.SVG}


@given(
    st.sampled_from(PAGES + OTHERS),
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.text(" \t\r\n", max_size=20),
    st.binary(max_size=400),
)
def test_page_or_script_is_never_media_whatever_follows(start: bytes, mark: bytes, space: str, rest: bytes) -> None:
    for beginning in (start, start.upper()):
        body = mark + space.encode() + beginning + rest
        if start in PAGES:
            with pytest.raises(RefusedError):
                classify.classify(body)
        else:
            assert classified(body) not in INLINE


def classified(head: bytes) -> Format | Reason:
    try:
        return classify.classify(head)
    except RefusedError as refused:
        return refused.reason


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_format_is_the_same_each_time_and_of_a_known_set(head: bytes, more: bytes) -> None:
    for each in (head, head + more):
        found = classified(each)
        assert found == classified(each)
        if isinstance(found, Format):
            assert re.fullmatch(r"[a-z0-9]{2,11}", found.extension)
            assert AssetKeys("anna", "id").is_original(f"media/anna/id/{found.kind}.{found.extension}")
            assert found.extension in {each.extension for each in formats.stored_formats()}
        else:
            assert found is Reason.NOT_MEDIA


TEXTS = [
    "Get free of it",
    "Good" + " " * 184 + "Good morning",
    "BMW builds cars",
    "ID3 is a tag",
    "FORM and content",
    "RIFFs",
]


@pytest.mark.parametrize("text", TEXTS)
def test_letters_of_a_text_are_no_magic_bytes(text: str) -> None:
    assert classify.classify(text.encode()) == formats.TXT


def test_every_format_fits_the_keys_of_an_asset() -> None:
    keys = AssetKeys("anna", "id")
    constants = [each for each in vars(formats).values() if isinstance(each, Format)]
    assert len(constants) > 70
    for each in constants:
        twins = [each.with_streams(has_video=v, has_audio=a) for v in (True, False) for a in (True, False)]
        for form in (each, *twins):
            assert keys.is_original(keys.original(kind=form.kind, extension=form.extension))


def test_stored_formats_are_all_that_the_first_bytes_and_the_streams_can_make() -> None:
    stored = formats.stored_formats()
    constants = {each for each in vars(formats).values() if isinstance(each, Format)}
    flags = [(video, audio) for video in (True, False) for audio in (True, False)]
    made = {each.with_streams(has_video=video, has_audio=audio) for each in stored for video, audio in flags}
    framed = {each.with_frames(frames) for each in stored for frames in (None, 1, 2)}
    assert constants | made | framed <= stored
    assert len(stored) < 100
