"""Files of the rarer formats: one of each that is kept, with or without a description, as real programs make them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import math
import struct
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.media_studio import H264, TEST_VIDEO, TONE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.media_studio import Studio


@dataclass(frozen=True)
class KeptFile:
    """A file of a format: what makes it, and kind, extension and content type that it is kept with."""

    name: str
    made: str
    make: Callable[[Studio], bytes]
    expected: tuple[str, str, str]
    described: bool = False
    """The prober reads it: it has a description, and a thumbnail if it has a picture."""

    @property
    def has_size(self) -> bool:
        """Tell whether the header of the picture has its size, 320 by 180."""
        unreadable = {"codestream.jxl", "boxes.jxl", "in.exr"}
        return self.expected[0] == "image" and self.name not in unreadable


def _still(name: str, *arguments: str) -> Callable[[Studio], bytes]:
    return lambda studio: studio.make(f"kept-{name}", *TEST_VIDEO, "-frames:v", "1", *arguments).read_bytes()


def _sound(name: str, *arguments: str) -> Callable[[Studio], bytes]:
    return lambda studio: studio.make(f"kept-{name}", *TONE, *arguments).read_bytes()


def _plain(body: bytes | str) -> Callable[[Studio], bytes]:
    return lambda _: body if isinstance(body, bytes) else body.encode()


def zipped(*names: str, stored: bool = False) -> bytes:
    """Return a zip with files of those names."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, "application/epub+zip" if name == "mimetype" else "text")
    return whole.getvalue()


def _tar() -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty.txt"))
    return whole.getvalue()


def glb() -> bytes:
    """Return a binary glTF without a scene."""
    text = json.dumps({"asset": {"version": "2.0", "generator": "a model"}}).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sII", b"glTF", 2, 20 + len(text)) + struct.pack("<I4s", len(text), b"JSON") + text


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def heic() -> bytes:
    """Return the boxes of a HEIC of 320 by 180, without its picture."""
    extents = _box(b"ispe", bytes(4) + struct.pack(">II", 320, 180))
    tile = _box(b"ispe", bytes(4) + struct.pack(">II", 64, 64))
    meta = _box(b"meta", bytes(4) + _box(b"iprp", _box(b"ipco", tile + extents)))
    return _box(b"ftyp", b"heic" + bytes(4) + b"mif1heic") + meta + _box(b"mdat", b"\x93" * 64)


def _safetensors() -> bytes:
    header = json.dumps({"weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return struct.pack("<Q", len(header)) + header + struct.pack("<2f", 0.5, 0.25)


def _stl(facets: int = 3) -> bytes:
    facet = struct.pack("<12fH", 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)
    return b"made by a model".ljust(80, b"\0") + struct.pack("<I", facets) + facet * facets


def splat(records: int = 40) -> bytes:
    """Return Gaussians as antimatter15's viewer reads them."""
    return b"".join(
        struct.pack("<6f8B", index / 7, -index / 9, 0.25, 0.02, 0.03, 0.01, 200, 90, 40, 255, 255, 128, 128, 128)
        for index in range(records)
    )


def _wave_64(studio: Studio) -> bytes:
    return studio.make("kept-in.w64", *TONE, "-f", "w64").read_bytes()


def segment(studio: Studio) -> bytes:
    """Return a media segment of a fragmented MP4, without its initialisation segment."""
    whole = studio.make("kept-frag.mp4", *TEST_VIDEO, *H264, "-movflags", "frag_keyframe+empty_moov").read_bytes()
    return b"\0\0\0\x18stypmsdh\0\0\0\0msdhmsix" + whole[whole.index(b"moof") - 4 :]


def _h264(studio: Studio) -> bytes:
    return studio.make("kept-in.h264", *TEST_VIDEO, *H264, "-f", "h264").read_bytes()


def photoshop() -> bytes:
    """Return the header of a Photoshop file of 320 by 180."""
    return b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 180, 320, 8, 3) + bytes(64)


_SVG = '<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg" width="320" height="180px"/>\n'
_OBJ = "# a model\nmtllib cube.mtl\no cube\nv 0.0 0.0 1.0\nv 1 0 0\nv -0.5 1e-3 0\nvn 0 0 1\nf 1//1 2//1 3//1\n"
_PLY = (
    b"ply\nformat binary_little_endian 1.0\ncomment splats\nelement vertex 1\nproperty float x\nend_header\n\0\0\x80?"
)
_ASCII_STL = "solid cube\n facet normal 0 0 1\n  outer loop\n   vertex 0 0 0\n  endloop\n endfacet\nendsolid cube\n"
_SRT = "1\r\n00:00:00,000 --> 00:00:02,500\r\nHello.\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nBye.\r\n"
_VTT = "WEBVTT\n\n00:00.000 --> 00:02.500\nHello.\n"
_MARKDOWN = "# Result\n\nThe model **says**:\n\n- one\n- two\n\n```\ncode\n```\n"
_CSV = 'id,label,score\n1,cat,0.98\n2,"dog, or wolf",0.02\n'
_TRANSCRIPT = json.dumps({"text": "hello", "segments": [{"start": 0.0, "end": 2.5, "text": "hello"}], "error": None})
_OFFICE = "application/vnd.openxmlformats-officedocument"
_PARTS = ("[Content_Types].xml", "_rels/.rels")

KEPT_FILES = [
    KeptFile("in.svg", "an SVG with prolog", _plain(_SVG), ("image", "svg", "image/svg+xml"), described=True),
    KeptFile("in.tiff", "ffmpeg", _still("in.tiff"), ("image", "tiff", "image/tiff"), described=True),
    KeptFile("in.bmp", "ffmpeg", _still("in.bmp"), ("image", "bmp", "image/bmp"), described=True),
    KeptFile(
        "in.jp2",
        "ffmpeg, jpeg2000",
        _still("in.jp2", "-c:v", "jpeg2000"),
        ("image", "jp2", "image/jp2"),
        described=True,
    ),
    KeptFile("in.qoi", "ffmpeg", _still("in.qoi"), ("image", "qoi", "image/qoi"), described=True),
    KeptFile("in.jxl", "ffmpeg", _still("in.jxl", "-c:v", "libjxl"), ("image", "jxl", "image/jxl"), described=True),
    KeptFile(
        "codestream.jxl", "its first bytes", _plain(b"\xff\x0a\x7a\x1f" + b"\x91" * 60), ("image", "jxl", "image/jxl")
    ),
    KeptFile(
        "boxes.jxl", "its first box", _plain(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50)), ("image", "jxl", "image/jxl")
    ),
    KeptFile("in.heic", "its boxes alone, without a picture", _plain(heic()), ("image", "heic", "image/heic")),
    KeptFile("in.psd", "its header", _plain(photoshop()), ("image", "psd", "image/vnd.adobe.photoshop")),
    KeptFile("in.exr", "ffmpeg", _still("in.exr", "-pix_fmt", "gbrpf32le"), ("image", "exr", "image/x-exr")),
    KeptFile("segment.m4s", "ffmpeg, without its start", segment, ("video", "m4s", "video/iso.segment")),
    KeptFile("in.h264", "ffmpeg", _h264, ("video", "h264", "video/h264")),
    KeptFile("in.aiff", "ffmpeg", _sound("in.aiff"), ("audio", "aiff", "audio/aiff")),
    KeptFile("in.w64", "ffmpeg", _wave_64, ("audio", "w64", "audio/x-w64"), described=True),
    KeptFile("in.caf", "ffmpeg", _sound("in.caf"), ("audio", "caf", "audio/x-caf")),
    KeptFile(
        "in.mid", "its header", _plain(b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk" + bytes(20)), ("audio", "mid", "audio/midi")
    ),
    KeptFile("in.glb", "a binary glTF", _plain(glb()), ("model3d", "glb", "model/gltf-binary")),
    KeptFile(
        "in.gltf",
        "a glTF",
        _plain('{"asset": {"version": "2.0"}, "nodes": []}'),
        ("model3d", "gltf", "model/gltf+json"),
    ),
    KeptFile("in.obj", "a cube's side", _plain(_OBJ), ("model3d", "obj", "model/obj")),
    KeptFile("in.ply", "a point, binary", _plain(_PLY), ("model3d", "ply", "model/ply")),
    KeptFile(
        "text.ply",
        "a point, as text",
        _plain("ply\nformat ascii 1.0\nend_header\n0 0 1\n"),
        ("model3d", "ply", "model/ply"),
    ),
    KeptFile("in.splat", "40 Gaussians", _plain(splat()), ("model3d", "splat", "application/octet-stream")),
    KeptFile("in.stl", "three facets, binary", _plain(_stl()), ("model3d", "stl", "model/stl")),
    KeptFile("text.stl", "a facet, as text", _plain(_ASCII_STL), ("model3d", "stl", "model/stl")),
    KeptFile(
        "in.fbx",
        "its header",
        _plain(b"Kaydara FBX Binary  \0\x1a\0" + bytes(40)),
        ("model3d", "fbx", "application/octet-stream"),
    ),
    KeptFile(
        "in.usdz",
        "zipfile",
        _plain(zipped("scene.usdc", "0/wood.png", stored=True)),
        ("model3d", "usdz", "model/vnd.usdz+zip"),
    ),
    KeptFile(
        "in.pdf",
        "its header",
        _plain(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"),
        ("document", "pdf", "application/pdf"),
    ),
    KeptFile(
        "in.txt",
        "a sentence",
        _plain("Get free of it: a model, as it speaks.\nGrüße!"),
        ("document", "txt", "text/plain"),
    ),
    KeptFile(
        "latin.txt",
        "a sentence in Latin-1",
        _plain("Ein Modell grüßt die Welt.".encode("latin-1")),
        ("document", "txt", "text/plain"),
    ),
    KeptFile("in.md", "a heading and a list", _plain(_MARKDOWN), ("document", "md", "text/markdown")),
    KeptFile("in.json", "a transcript", _plain(_TRANSCRIPT), ("document", "json", "application/json")),
    KeptFile("in.jsonl", "two objects", _plain('{"a": 1}\n{"a": 2}\n'), ("document", "jsonl", "application/jsonl")),
    KeptFile("in.csv", "a table", _plain(_CSV), ("document", "csv", "text/csv")),
    KeptFile("in.srt", "subtitles", _plain(_SRT), ("document", "srt", "application/x-subrip")),
    KeptFile("in.vtt", "subtitles", _plain(_VTT), ("document", "vtt", "text/vtt")),
    KeptFile(
        "in.xml", "a document", _plain('<?xml version="1.0"?><score-partwise/>'), ("document", "xml", "application/xml")
    ),
    KeptFile(
        "in.m3u8",
        "a playlist",
        _plain("#EXTM3U\n#EXTINF:2,\n0.ts\n"),
        ("document", "m3u8", "application/vnd.apple.mpegurl"),
    ),
    KeptFile(
        "in.docx",
        "zipfile",
        _plain(zipped(*_PARTS, "word/document.xml")),
        ("document", "docx", f"{_OFFICE}.wordprocessingml.document"),
    ),
    KeptFile(
        "in.xlsx",
        "zipfile",
        _plain(zipped(*_PARTS, "xl/workbook.xml")),
        ("document", "xlsx", f"{_OFFICE}.spreadsheetml.sheet"),
    ),
    KeptFile(
        "in.pptx",
        "zipfile",
        _plain(zipped(*_PARTS, "ppt/presentation.xml")),
        ("document", "pptx", f"{_OFFICE}.presentationml.presentation"),
    ),
    KeptFile(
        "in.epub", "zipfile", _plain(zipped("mimetype", stored=True)), ("document", "epub", "application/epub+zip")
    ),
    KeptFile("in.zip", "zipfile", _plain(zipped("a.png", "b.png")), ("archive", "zip", "application/zip")),
    KeptFile("empty.zip", "zipfile", _plain(zipped()), ("archive", "zip", "application/zip")),
    KeptFile("in.tar", "tarfile", _plain(_tar()), ("archive", "tar", "application/x-tar")),
    KeptFile(
        "in.tar.gz", "tarfile, gzip", _plain(gzip.compress(_tar(), mtime=0)), ("archive", "gz", "application/gzip")
    ),
    KeptFile(
        "in.7z",
        "its header",
        _plain(b"7z\xbc\xaf\x27\x1c\0\4" + b"\x91" * 60),
        ("archive", "7z", "application/x-7z-compressed"),
    ),
    KeptFile("in.xz", "lzma", _plain(lzma.compress(b"text")), ("archive", "xz", "application/x-xz")),
    KeptFile("in.bz2", "bz2", _plain(bz2.compress(b"text")), ("archive", "bz2", "application/x-bzip2")),
    KeptFile(
        "in.zst", "its header", _plain(b"\x28\xb5\x2f\xfd\x24\4" + b"\x91" * 20), ("archive", "zst", "application/zstd")
    ),
    KeptFile(
        "in.safetensors",
        "a tensor of two",
        _plain(_safetensors()),
        ("archive", "safetensors", "application/octet-stream"),
    ),
    KeptFile(
        "in.blend",
        "its header; named by puremagic",
        _plain(b"BLENDER-v300" + bytes(40)),
        ("file", "bin", "application/x-blender"),
    ),
    KeptFile("zeros.bin", "3000 zeros", _plain(bytes(3000)), ("file", "bin", "application/octet-stream")),
    KeptFile(
        "unknown.bin",
        "sines",
        _plain(bytes(round(127 + 127 * math.sin(n * n)) for n in range(3000))),
        ("file", "bin", "application/octet-stream"),
    ),
]
