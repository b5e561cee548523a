"""Format of a binary file that is no media for the prober: by puremagic, and by own tests of what it does not know.

puremagic knows formats by their magic bytes. 3D models, tensors and elementary streams have none there, or have none at
all: they are told by their structure. Pure.
"""

from __future__ import annotations

import math
import re
import struct
from typing import TYPE_CHECKING

import puremagic

from mediaimport_importer.media import formats
from mediaimport_importer.media.formats import Format, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MIN_MAGIC_BYTES = 3
"""Shorter magic bytes stand at the beginning of too many files."""
_MIME = re.compile(r"[a-z]{1,16}/[a-z0-9][a-z0-9.+-]{0,96}")
_BY_EXTENSION = {
    ".tiff": formats.TIFF, ".tif": formats.TIFF, ".jxl": formats.JXL, ".heif": formats.HEIC, ".heic": formats.HEIC,
    ".jp2": formats.JP2, ".jpf": formats.JP2, ".psd": formats.PSD, ".exr": formats.EXR, ".ico": formats.ICO,
    ".rm": formats.REALMEDIA, ".mid": formats.MIDI, ".amr": formats.AMR, ".caf": formats.CAF,
    ".pdf": formats.PDF, ".rtf": formats.RTF, ".zip": formats.ZIP, ".tar": formats.TAR, ".gz": formats.GZIP,
    ".7z": formats.SEVEN_ZIP, ".rar": formats.RAR, ".xz": formats.XZ, ".bz2": formats.BZIP2, ".zst": formats.ZSTD,
}  # fmt: skip


def binary_format(head: bytes, *, complete: bool) -> Format:
    """Return the format of a binary file. `complete`: the head is the whole file."""
    for start, known in _BY_START:
        if head.startswith(start):
            return known
    for detect in _BY_STRUCTURE:
        detected = detect(head)
        if detected is not None:
            return detected
    return _by_magic(head) or _without_magic(head, complete=complete) or formats.BINARY


# --- by puremagic ---


def _by_magic(head: bytes) -> Format | None:
    """Return the format that puremagic's table names: one that we have a name for, or else the longest match."""
    try:
        matches = puremagic.magic_string(head)
    except puremagic.PureError:
        return None
    certain = [each for each in matches if len(each.byte_match) >= _MIN_MAGIC_BYTES and each.byte_match.strip(b"\0")]
    named = next((_BY_EXTENSION[each.extension] for each in certain if each.extension in _BY_EXTENSION), None)
    return named or _unnamed((each.extension, each.mime_type) for each in certain)


def _unnamed(matches: Iterable[tuple[str, str]]) -> Format | None:
    for extension, content_type in matches:
        name = extension.removeprefix(".").lower()
        if _MIME.fullmatch(content_type) and re.fullmatch(r"[a-z0-9]{1,16}", name):
            return unknown(name=name, content_type=content_type)
    return None


# --- by own magic bytes ---

_BY_START: tuple[tuple[bytes, Format], ...] = (
    (b"glTF", formats.GLB),
    (b"Kaydara FBX Binary", formats.FBX),
    (b"PXR-USDC", formats.USD),
    (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb", formats.W64),
    (b"\xff\x0a", formats.JXL),
    (b"II+\0", formats.TIFF),
    (b"MM\0+", formats.TIFF),
    (b"\xff\x4f\xff\x51", formats.JP2),
    (b"PK\x05\x06", formats.ZIP),
    (b"qoif", formats.QOI),
)


def _aiff(head: bytes) -> Format | None:
    return formats.AIFF if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"} else None


_BITMAP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}


def _bitmap(head: bytes) -> Format | None:
    known = head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS
    return formats.BMP if known else None


_ZIP_NAME_AT = 30
_OFFICE = ((b"word/", formats.DOCX), (b"xl/", formats.XLSX), (b"ppt/", formats.PPTX))


def _zip(head: bytes) -> Format | None:
    """Return the format of a zip by the name of its first file, and for office documents by those that follow."""
    if not head.startswith(b"PK\x03\x04"):
        return None
    length = int.from_bytes(head[26:28], "little")
    name = head[_ZIP_NAME_AT : _ZIP_NAME_AT + length]
    if name.endswith((b".usd", b".usda", b".usdc")):
        return formats.USDZ
    if name == b"mimetype" and b"application/epub+zip" in head[:512]:
        return formats.EPUB
    if name in {b"[Content_Types].xml", b"_rels/.rels"} or name.startswith((b"word/", b"xl/", b"ppt/", b"docProps/")):
        return _office(head) or formats.ZIP
    return formats.ZIP


def _office(head: bytes) -> Format | None:
    names = [head[at + _ZIP_NAME_AT : at + _ZIP_NAME_AT + 8] for at in _found(head, b"PK\x03\x04")]
    return next((known for folder, known in _OFFICE if any(each.startswith(folder) for each in names)), None)


def _found(head: bytes, mark: bytes) -> Iterable[int]:
    at = head.find(mark)
    while at >= 0:
        yield at
        at = head.find(mark, at + 1)


_MAX_TENSOR_HEADER = 100_000_000


def _safetensors(head: bytes) -> Format | None:
    """Return safetensors if a length and a JSON object start the file: https://github.com/huggingface/safetensors."""
    length = int.from_bytes(head[:8], "little")
    starts = re.match(rb'\{\s*(?:"|\})', head[8:64]) is not None
    return formats.SAFETENSORS if starts and 2 <= length <= _MAX_TENSOR_HEADER else None  # noqa: PLR2004 - `{}`


def _ply(head: bytes) -> Format | None:
    return formats.PLY if re.match(rb"ply\r?\n(?:comment [^\n]{0,1024}\n){0,64}format ", head) else None


def _h264(head: bytes) -> Format | None:
    """Return H.264 if a sequence parameter set starts an Annex B stream: ITU-T H.264, annex B."""
    start = re.match(rb"\0\0\0?\x01(?:\x09.{1,2}\0\0\0?\x01)?[\x27\x47\x67]", head, re.DOTALL)
    return formats.H264 if start else None


_BY_STRUCTURE: tuple[Callable[[bytes], Format | None], ...] = (
    _aiff, _bitmap, _zip, _safetensors, _ply, _h264,
)  # fmt: skip

# --- without any magic bytes ---

_STL_HEADER, _STL_FACET = 84, 50
_SPLAT = struct.Struct("<6f8B")
_SPLATS_TESTED = 64
_FAR, _WIDE = 1e5, 1e4


def _without_magic(head: bytes, *, complete: bool) -> Format | None:
    if _is_stl(head, complete=complete):
        return formats.STL
    return formats.SPLAT if _is_splat(head, complete=complete) else None


def _is_stl(head: bytes, *, complete: bool) -> bool:
    """Tell whether a count of facets, each with a normal of length 1 or 0, follows a header of 80 bytes."""
    if len(head) < _STL_HEADER + _STL_FACET:
        return False
    size = _STL_HEADER + _STL_FACET * int.from_bytes(head[80:84], "little")
    if size != len(head) if complete else size < len(head):
        return False
    facets = min((len(head) - _STL_HEADER) // _STL_FACET, 64)
    return all(_is_facet(head, _STL_HEADER + _STL_FACET * index) for index in range(facets))


def _is_facet(head: bytes, at: int) -> bool:
    numbers = struct.unpack_from("<12f", head, at)
    normal = math.hypot(*numbers[:3])
    return all(map(math.isfinite, numbers)) and (normal < 0.01 or 0.9 < normal < 1.1)  # noqa: PLR2004 - rounded


def _is_splat(head: bytes, *, complete: bool) -> bool:
    """Tell whether records of a position, three scales, a colour and a rotation fill the file.

    The format has no header: https://github.com/antimatter15/splat. A random record is one with a chance below 1e-4.
    """
    if len(head) < 2 * _SPLAT.size or (complete and len(head) % _SPLAT.size):
        return False
    records = min(len(head) // _SPLAT.size, _SPLATS_TESTED)
    return all(_is_gaussian(_SPLAT.unpack_from(head, _SPLAT.size * index)) for index in range(records))


def _is_gaussian(record: tuple[float, ...]) -> bool:
    position, scale, rotation = record[:3], record[3:6], record[10:14]
    if not all(math.isfinite(each) and abs(each) < _FAR for each in position):
        return False
    if not all(0 < each < _WIDE for each in scale):
        return False
    return 0.9 < math.hypot(*((each - 128) / 128 for each in rotation)) < 1.1  # noqa: PLR2004 - a unit quaternion
