"""Files of each format, whole and cut: a cut never counts as whole, and what is whole never as cut."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mediaimport_importer.media.completeness import _WALKS, Completeness, completeness_of

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
}
"""Formats that say where they end, and how ffmpeg makes one."""
SILENT = {
    "live.webm": (*PICTURE, "-f", "webm", "-"),
    "piped.wav": (*SOUND, "-f", "wav", "-"),
    "uncounted.mp3": (*SOUND, "-write_xing", "0"),
    "ts": (*PICTURE, *SOUND),
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
    return name.rpartition(".")[2]


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


@pytest.mark.parametrize("name", ["jpg", "png", "wav", "mp3"])
def test_what_others_have_put_behind_the_end_does_no_harm(
    make: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    longer = tmp_path / "longer"
    longer.write_bytes(make(name).read_bytes() + bytes(128))
    assert completeness_of(longer, name) is Completeness.WHOLE


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


@given(
    name=st.sampled_from(sorted(_WALKS)),
    head=st.sampled_from([b"", b"RIFF", b"fLaC", b"OggS", b"ID3\x04\0\0\x7f\x7f"]),
    tail=st.binary(max_size=200),
)
def test_hostile_bytes_end_every_walk(
    tmp_path_factory: pytest.TempPathFactory, name: str, head: bytes, tail: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "hostile"
    file.write_bytes(head + tail)
    assert completeness_of(file, name) in Completeness


def test_a_flac_of_nothing_but_sync_codes_is_given_up(make: Callable[[str], Path], tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    # Without a bound on what is checked this takes hours.
    hostile.write_bytes(make("flac").read_bytes()[:8192] + b"\xff\xf8\x01\x02\x03\x04" * 4_000_000)
    assert completeness_of(hostile, "flac") is Completeness.UNKNOWN
