"""Files of each format, whole and cut: a cut never counts as whole, and what is whole never as cut."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_importer.media.completeness.reading import Completeness
from mediaimport_importer.media.completeness.walks import WALKS, completeness_of, is_header_alone

from dev.generate.tested import ENDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PICTURE = ("-f", "lavfi", "-i", "testsrc=s=160x120:d=2")
SOUND = ("-f", "lavfi", "-i", "sine=d=2")
ONE = ("-frames:v", "1")

TELLING = {
    "mp4": (*PICTURE, *SOUND),
    "fast.mp4": (*PICTURE, *SOUND, "-movflags", "+faststart"),
    "fragmented.mp4": (*PICTURE, *SOUND, "-movflags", "frag_keyframe+empty_moov"),
    "mov": (*PICTURE, *SOUND),
    "m4a": SOUND,
    "avi": (*PICTURE, *SOUND),
    "mkv": (*PICTURE, *SOUND),
    "webm": (*PICTURE, *SOUND),
    "ogv": (*PICTURE, *SOUND),
    "ogg": SOUND,
    "opus": SOUND,
    "mp3": SOUND,
    "vbr.mp3": (*SOUND, "-q:a", "4"),
    "wav": SOUND,
    "flac": SOUND,
    "gif": PICTURE,
    "png": (*PICTURE, *ONE),
    "jpg": (*PICTURE, *ONE),
    "webp": (*PICTURE, *ONE),
    "rf64.wav": (*SOUND, "-rf64", "always"),
    "wmv": (*PICTURE, *SOUND),
    "wma": SOUND,
    "flv": (*PICTURE, *SOUND),
    "piped.wmv": (*PICTURE, *SOUND, "-f", "asf", "-"),
}
"""Formats that say where they end, and how ffmpeg makes one."""
SILENT = {
    "live.webm": (*PICTURE, "-f", "webm", "-"),
    "piped.wav": (*SOUND, "-f", "wav", "-"),
    "uncounted.mp3": (*SOUND, "-write_xing", "0"),
    "piped.flac": (*SOUND, "-f", "flac", "-"),
    "piped.flv": (*PICTURE, *SOUND, "-f", "flv", "-"),
    "piped.mp4": (*PICTURE, *SOUND, "-movflags", "frag_keyframe+empty_moov+skip_trailer", "-f", "mp4", "-"),
    "ts": (*PICTURE, *SOUND),
    "m2ts": (*PICTURE, *SOUND),
    "mpg": (*PICTURE, *SOUND),
    "mpeg2.mpg": (*PICTURE, *SOUND, "-f", "vob"),
    "aac": SOUND,
}
"""Those that do not, or not always."""


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("whole")

    def made(name: str) -> Path:
        file = folder / f"a.{name}"
        if not file.exists():
            options = (TELLING | SILENT)[name]
            piped = options[-1] == "-"
            command = ["ffmpeg", "-v", "error", *options, *([] if piped else [str(file)])]
            output = subprocess.run(command, check=True, capture_output=True).stdout
            if piped:
                file.write_bytes(output)
        return file

    return made


def extension(name: str) -> str:
    return name.rpartition(".")[2].removeprefix("m2")


@pytest.mark.parametrize("name", TELLING)
def test_a_whole_file_is_whole_and_one_that_is_cut_anywhere_is_not(
    make: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    whole = make(name)
    assert completeness_of(whole, extension(name)) is Completeness.WHOLE
    content, cut = whole.read_bytes(), tmp_path / "cut"
    for share in (5, 20, 50, 80, 95, 99):
        cut.write_bytes(content[: len(content) * share // 100])
        assert completeness_of(cut, extension(name)) is Completeness.CUT, f"{share} %"
    cut.write_bytes(content[:-1])
    assert completeness_of(cut, extension(name)) is Completeness.CUT, "one byte"


@pytest.mark.parametrize("name", SILENT)
def test_a_format_that_does_not_say_where_it_ends_is_not_called_cut(make: Callable[[str], Path], name: str) -> None:
    assert completeness_of(make(name), extension(name)) is Completeness.UNKNOWN


@pytest.mark.parametrize("name", SILENT)
def test_a_cut_through_a_packet_or_a_frame_of_such_a_format_is_a_cut(
    make: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    content, cut = make(name).read_bytes(), tmp_path / "cut"
    # Eight neighbours: a cut between two packets does not show, nor one between two samples of a WAV.
    found = []
    for at in (len(content) * share // 100 + more for share in (20, 50, 80, 95) for more in range(8)):
        cut.write_bytes(content[:at])
        found.append(completeness_of(cut, extension(name)))
    cut.write_bytes(content[:-1])
    assert completeness_of(cut, extension(name)) is Completeness.CUT, "one byte"
    assert Completeness.WHOLE not in found
    assert found.count(Completeness.CUT) >= len(found) // 2


def test_a_transport_stream_that_ends_within_the_packet_of_its_sound_is_cut(
    make: Callable[[str], Path], tmp_path: Path
) -> None:
    content, cut = make("ts").read_bytes(), tmp_path / "cut"
    found = set()
    for packets in range(len(content) // 188 - 100, len(content) // 188):
        cut.write_bytes(content[: packets * 188])
        found.add(completeness_of(cut, "ts"))
    assert found == {Completeness.CUT, Completeness.UNKNOWN}


@pytest.mark.parametrize(
    ("name", "extra", "expected"),
    [
        ("live.webm", bytes.fromhex("1c53bb6b80"), Completeness.WHOLE),
        ("mpg", b"\0\0\1\xb9", Completeness.WHOLE),
        ("mpg", bytes(2048), Completeness.UNKNOWN),
    ],
    ids=["the index of a WebM", "the end code of a program stream", "padding"],
)
def test_an_end_that_most_writers_leave_out_is_believed(
    make: Callable[[str], Path], tmp_path: Path, name: str, extra: bytes, expected: Completeness
) -> None:
    longer = tmp_path / "longer"
    longer.write_bytes(make(name).read_bytes() + extra)
    assert completeness_of(longer, extension(name)) is expected


def test_sizes_that_a_writer_without_a_way_back_leaves_open_are_no_cut(
    make: Callable[[str], Path], tmp_path: Path
) -> None:
    """SoX writes the largest size that it can."""
    file, content = tmp_path / "sox.wav", bytearray(make("piped.wav").read_bytes())
    content[4:8] = (0x7FFFF024).to_bytes(4, "little")
    at = content.index(b"data") + 4
    content[at : at + 4] = (0x7FFFF000).to_bytes(4, "little")
    file.write_bytes(content)
    assert completeness_of(file, "wav") is Completeness.UNKNOWN


def test_boxes_without_their_media_are_a_cut(make: Callable[[str], Path], tmp_path: Path) -> None:
    """A cut between two boxes."""
    content, cut = make("fast.mp4").read_bytes(), tmp_path / "cut"
    cut.write_bytes(content[: content.index(b"mdat") - 4])
    assert completeness_of(cut, "mp4") is Completeness.CUT


def test_large_wave_is_read_by_its_own_size(make: Callable[[str], Path], tmp_path: Path) -> None:
    """BW64, with Dolby Atmos for example, is RF64 under another name."""
    file = tmp_path / "file"
    file.write_bytes(b"BW64" + make("rf64.wav").read_bytes()[4:])
    assert completeness_of(file, "wav") is Completeness.WHOLE


def test_page_says_of_every_walk_where_the_format_ends() -> None:
    assert sorted(each for end in ENDS for each in end.extensions) == sorted(WALKS)


@pytest.mark.parametrize("name", ["jpg", "png", "wav", "rf64.wav", "mp3", "wmv"])
def test_what_others_have_put_behind_the_end_does_no_harm(
    make: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    longer = tmp_path / "longer"
    longer.write_bytes(make(name).read_bytes() + bytes(128))
    assert completeness_of(longer, extension(name)) is Completeness.WHOLE


def test_a_cut_after_an_embedded_preview_is_a_cut(make: Callable[[str], Path], tmp_path: Path) -> None:
    """A camera's JPEG has a whole one in its first segment; its end is not the file's."""
    whole = make("jpg").read_bytes()
    preview = b"\xff\xe1" + (len(whole) + 2).to_bytes(2, "big") + whole
    file = tmp_path / "cut"
    file.write_bytes(whole[:2] + preview + whole[2:])
    assert completeness_of(file, "jpg") is Completeness.WHOLE
    for share in (2, 20, len(preview) + 2, len(preview) + 100):
        file.write_bytes((whole[:2] + preview + whole[2:])[:share])
        assert completeness_of(file, "jpg") is Completeness.CUT, share


@pytest.mark.parametrize("name", ["mp3", "vbr.mp3", "flac"])
@pytest.mark.parametrize("before", [b"ID3\x04\0\0\0\0\0\x05title" * 2, bytes(700)], ids=["tags", "zeros"])
def test_tags_and_zeros_before_sound_do_not_hide_its_end(
    make: Callable[[str], Path], tmp_path: Path, name: str, before: bytes
) -> None:
    whole, file = before + make(name).read_bytes(), tmp_path / "tagged"
    extension = name.rpartition(".")[2]

    file.write_bytes(whole)
    assert completeness_of(file, extension) is Completeness.WHOLE
    file.write_bytes(whole[: len(whole) * 4 // 5])
    assert completeness_of(file, extension) is Completeness.CUT


HEADS = [
    b"",
    b"RIFF",
    b"RF64\xff\xff\xff\xffWAVEds64",
    b"RIFF\xff\xff\xff\xffWAVE",
    b"fLaC",
    b"OggS",
    b"ID3\x04\0\0\x7f\x7f",
    b"\xff\xf1\x50\x80",
    b"\0\0\1\xba\x44",
    b"\x47" + bytes(187) + b"\x47",
    bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c8000000000000000"),
    bytes.fromhex("1a45dfa380185380670100000000000000"),
    b"FLV\1\5\0\0\0\x09\0\0\0\0\x12",
]


@given(
    name=st.sampled_from(sorted(WALKS)),
    head=st.sampled_from(HEADS),
    tail=st.binary(max_size=200),
)
def test_hostile_bytes_end_every_walk(
    tmp_path_factory: pytest.TempPathFactory, name: str, head: bytes, tail: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "hostile"
    file.write_bytes(head + tail)
    assert completeness_of(file, name) in Completeness
    assert is_header_alone(file, name) in {True, False}


def test_a_flac_of_nothing_but_sync_codes_is_given_up(make: Callable[[str], Path], tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    # Without a bound on what is checked this takes hours.
    hostile.write_bytes(make("flac").read_bytes()[:8192] + b"\xff\xf8\x01\x02\x03\x04" * 4_000_000)
    assert completeness_of(hostile, "flac") is Completeness.UNKNOWN
