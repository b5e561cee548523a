"""Attacks on libvips through the prober's socket: nothing is read, nothing is reached, time and memory stay bounded."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from typing import TYPE_CHECKING

import pytest
from mediaimport_prober import landlock
from mediaimport_prober.pictures import Loader
from mediaimport_prober.protocol import Failure

from tests.support.heif_grid import Tile, grid_of
from tests.support.picture_studio import RED, WHITE, colours, near, plain
from tests.support.png import SIGNATURE, chunk
from tests.support.running_prober import running_prober

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mediaimport_prober.protocol import Response

    from tests.support.picture_studio import PictureStudio
    from tests.support.running_prober import RunningProber

MIB = 1024 * 1024
ANSWERS = 45.0
"""Seconds for both answers: one tool may take 30, each other is quick."""
NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
SVG = f'<svg {NAMESPACES} width="100" height="100">{{}}</svg>'


@pytest.fixture
def small(tmp_path: Path) -> Iterator[RunningProber]:
    """A prober of 320 MiB: its tools have 192 MiB, and the kernel holds them to it."""
    with running_prober(tmp_path, PROBER_MEMORY_BYTES=str(320 * MIB)) as running:
        yield running


def asked(prober: RunningProber, data: bytes) -> tuple[Response, Response, bytes]:
    """Ask about a file of these bytes; both answers have to come, and in time."""
    file = prober.scratch.parent / "attack"
    file.write_bytes(data)
    begun = time.monotonic()
    answers = prober.ask(file)
    assert time.monotonic() - begun < ANSWERS
    return answers


@contextlib.contextmanager
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """Listen on a loopback port; yield it and what arrives there."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    heard.append(b"connected")
                    connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], heard
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


REFERENCES = {
    "image, file URL": '<image width="100" height="100" xlink:href="file://{secret}"/>',
    "image, absolute path": '<image width="100" height="100" xlink:href="{secret}"/>',
    "image, neighbour": '<image width="100" height="100" href="{name}"/>',
    "image, web": '<image width="100" height="100" href="http://127.0.0.1:{port}/x.png"/>',
    "style sheet, web": '<style>@import url("http://127.0.0.1:{port}/x.css");</style>',
    "style sheet, neighbour": '<style>@import url("style.css");</style><rect width="100" height="100" fill="white"/>',
    "use of another drawing": '<use href="file://{drawing}#red"/>',
    "XInclude": '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{drawing}"/>',
    "filter's image": '<filter id="f"><feImage href="file://{secret}"/></filter>'
    '<rect width="100" height="100" filter="url(#f)"/>',
}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.attack(
    "SVG that refers to files and to the web: images, style sheets, drawings, XInclude",
    "nothing is read, nobody is asked",
)
def test_reference_of_a_drawing_is_not_followed(prober: RunningProber, pictures: PictureStudio, name: str) -> None:
    secret = prober.scratch / "secret.png"
    secret.write_bytes(pictures.save("secret.png", plain(RED, 100, 100)).read_bytes())
    drawing = prober.scratch / "secret.svg"
    drawing.write_text(SVG.format('<rect id="red" width="100" height="100" fill="#dc0000"/>'))
    (prober.scratch / "style.css").write_text("rect { fill: #dc0000 !important }")
    with listener() as (port, heard):
        body = REFERENCES[name].format(secret=secret, name=secret.name, drawing=drawing, port=port)

        _, _, jpeg = asked(prober, SVG.format(body).encode())

    assert heard == []
    assert not jpeg or not near(colours(jpeg, [(0.5, 0.5)])[0], RED, within=60)


@pytest.mark.parametrize("reference", ["file://{file}", "http://127.0.0.1:{port}/x.dtd"])
@pytest.mark.attack("SVG with external entities and an external DTD", "nothing is read, nobody is asked")
def test_entity_of_another_file_is_not_read(prober: RunningProber, reference: str) -> None:
    secret = prober.scratch / "secret.xml"
    secret.write_text('<rect width="100" height="100" fill="#dc0000"/>')
    with listener() as (port, heard):
        target = reference.format(file=secret, port=port)
        dtd = f'<!DOCTYPE svg SYSTEM "{target}" [<!ENTITY other SYSTEM "{target}">]>'

        _, _, jpeg = asked(prober, (dtd + SVG.format("&other;")).encode())

    assert heard == []
    assert not jpeg or near(colours(jpeg, [(0.5, 0.5)])[0], WHITE)


def laughs(levels: int) -> bytes:
    entities = "<!ENTITY a0 \"<rect width='9' height='9'/>\">" + "".join(
        f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, levels)
    )
    return f"<!DOCTYPE svg [{entities}]>{SVG.format(f'&a{levels - 1};')}".encode()


def nested_uses(levels: int) -> bytes:
    groups = '<g id="g0"><rect width="9" height="9"/></g>' + "".join(
        f'<g id="g{level}">{f"<use href={chr(34)}#g{level - 1}{chr(34)}/>" * 10}</g>' for level in range(1, levels)
    )
    return SVG.format(groups).encode()


DRAWINGS: dict[str, Callable[[], bytes]] = {
    "entities, ten levels": lambda: laughs(10),
    "uses, seven levels": lambda: nested_uses(7),
    "a use of itself": lambda: SVG.format('<g id="a"><use href="#a"/><use href="#a"/></g>').encode(),
    "elements within elements": lambda: (
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>" + b"<g>" * 200_000
    ),
    "a billion pixels each way": lambda: SVG.replace('"100"', '"1000000000"').format("<rect/>").encode(),
    "a blur of everything": lambda: SVG.format(
        '<filter id="f" width="99999" height="99999"><feGaussianBlur stdDeviation="99999"/></filter>'
        + '<rect width="99" height="99" filter="url(#f)"/>' * 500
    ).encode(),
    "a pattern of tiny tiles": lambda: SVG.format(
        '<pattern id="p" width=".0001" height=".0001"><rect width="1" height="1"/></pattern>'
        '<rect width="100" height="100" fill="url(#p)"/>'
    ).encode(),
    "a dash for each micrometre": lambda: SVG.format(
        '<path d="M0 0H1000000" stroke="red" stroke-dasharray=".00001" stroke-width="2"/>'
    ).encode(),
}


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.attack(
    "SVG bombs: entities, uses, depth, size, filters, patterns, dashes", "answered within the limits of time and memory"
)
def test_bomb_of_a_drawing_ends_within_the_limits(small: RunningProber, name: str) -> None:
    asked(small, DRAWINGS[name]())


def zeros(mib: int) -> bytes:
    """Return so many MiB of zeros, compressed: a block that stands alone, again and again, and its checksum."""
    compressor = zlib.compressobj(9, wbits=-15)
    block = compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\xda" + block * mib + b"\x03\0" + struct.pack(">I", (mib * MIB % 65521) << 16 | 1)


def png(width: int, height: int, *, data: bytes = b"", more: bytes = b"", interlaced: bool = False) -> bytes:
    """Return a PNG of 64 bits a pixel with these compressed rows."""
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, int(interlaced))
    return SIGNATURE + chunk(b"IHDR", header) + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff(width: int, height: int, *, compression: int = 1, strip: bytes = b"", next_directory: int = 0) -> bytes:
    """Return a grey TIFF of one strip; `next_directory`: the offset of the page that follows."""
    tags = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 273: 200, 277: 1, 278: height, 279: len(strip)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_directory)
    return head.ljust(200, b"\0") + strip


def endless_pages(count: int) -> bytes:
    """Return a TIFF of so many directories, of which each names the next."""
    entry = struct.pack("<HHII", 256, 4, 1, 8) + struct.pack("<HHII", 257, 4, 1, 8)
    size = 2 + len(entry) + 4
    pages = (struct.pack("<H", 2) + entry + struct.pack("<I", 8 + size * (page + 1)) for page in range(count))
    return b"II*\0" + struct.pack("<I", 8) + b"".join(pages)


def gif(width: int, height: int, frames: int) -> bytes:
    frame = b"\x21\xf9\x04\0\x05\0\0\0" + b"\x2c" + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0" + b"\x02\x02\x4c\x01\0"
    colours_of_it = b"\0\0\0\xff\xff\xff"
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + colours_of_it + frame * frames + b"\x3b"


def webp(frames: int) -> bytes:
    """Return an animation of 16,384 by 16,384 pixels whose frames are none."""
    size = (16383).to_bytes(3, "little")
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size * 2
    frame = b"ANMF" + struct.pack("<I", 24) + bytes(6) + size * 2 + b"\x64\0\0\0" + b"VP8L" + struct.pack("<I", 0)
    body = b"WEBP" + canvas + b"ANIM" + struct.pack("<I", 6) + bytes(6) + frame * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg(width: int, height: int, *, scans: int = 1) -> bytes:
    """Return a progressive JPEG of so many empty scans."""
    frame = b"\xff\xc2\0\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\0"
    tables = b"\xff\xdb\0\x43\0" + b"\x01" * 64 + b"\xff\xc4\0\x14\0\x01" + bytes(15) + b"\0"
    scan = b"\xff\xda\0\x08\x01\x01\0\0\0\0"
    return b"\xff\xd8" + tables + frame + scan * scans + b"\xff\xd9"


def hvcc() -> bytes:
    """Return a decoder's configuration without parameter sets."""
    return struct.pack(">I4s", 31, b"hvcC") + b"\x01" + bytes(22)


PIXELS: dict[str, Callable[[], bytes]] = {
    "PNG, two billion each way": lambda: png(2**31 - 1, 2**31 - 1),
    "PNG, 3.6 gigapixels of zeros": lambda: png(60_000, 60_000, data=zeros(64)),
    "TIFF, four billion each way": lambda: tiff(2**32 - 1, 2**32 - 1),
    "TIFF, a strip of 4 GB that inflates": lambda: tiff(65_535, 65_535, compression=8, strip=zeros(64)),
    "JPEG, 65,500 each way": lambda: jpeg(65_500, 65_500),
}


@pytest.mark.parametrize("name", PIXELS)
@pytest.mark.attack("pictures of billions of pixels: PNG, TIFF, JPEG", "no thumbnail, and no pixel decoded")
def test_picture_of_billions_of_pixels_is_not_decoded(small: RunningProber, name: str) -> None:
    described, shown, thumbnail = asked(small, PIXELS[name]())

    assert shown.failure is not None
    assert thumbnail == b""
    if described.failure is None:
        assert described.document is not None
        # ffprobe describes what it refuses with a width of 0, which the importer takes for none.
        width = described.document["streams"][0]["width"]
        assert width == 0 or width >= 60_000


def test_picture_with_too_many_pixels_is_described_and_not_shown(small: RunningProber) -> None:
    described, shown, _ = asked(small, PIXELS["PNG, 3.6 gigapixels of zeros"]())

    assert described.document is not None
    assert (described.document["streams"][0]["width"], shown.failure) == (60_000, Failure.TOO_MANY_PIXELS)


DECOMPRESSION: dict[str, Callable[[], bytes]] = {
    "PNG whose profile inflates to 512 MB": lambda: png(
        8, 8, more=chunk(b"iCCP", b"x\0\0" + zeros(512)), data=zeros(1)
    ),
    "PNG whose text inflates to 512 MB": lambda: png(8, 8, more=chunk(b"zTXt", b"x\0\0" + zeros(512)), data=zeros(1)),
    "interlaced PNG of 3 GB": lambda: png(20_000, 20_000, data=zeros(16), interlaced=True),
    "PNG of 3 GB in rows": lambda: png(20_000, 20_000, data=zeros(1024)),
    "JPEG of a thousand scans": lambda: jpeg(20_000, 20_000, scans=1000),
    "HEIC, a grid of 65,280 each way": lambda: grid_of([Tile(b"hvc1", hvcc(), (255, 255), b"")], columns=256, rows=256),
    "GIF, 65,535 pixels each way": lambda: gif(65_535, 65_535, 1),
    "GIF of 200,000 frames": lambda: gif(2000, 2000, 200_000),
    "WebP of 100,000 frames": lambda: webp(100_000),
    "TIFF of 400,000 pages": lambda: endless_pages(400_000),
    "TIFF whose page follows itself": lambda: tiff(8, 8, strip=bytes(64), next_directory=8),
}


@pytest.mark.parametrize("name", DECOMPRESSION)
@pytest.mark.attack(
    "pictures that inflate or never end: profiles, text, interlacing, scans, frames, pages",
    "answered within the limits of time and memory",
)
def test_picture_that_inflates_ends_within_the_limits(small: RunningProber, name: str) -> None:
    asked(small, DECOMPRESSION[name]())


OTHERS = {
    "libvips' own": b"\xb6\xa6\xf2\x08" + bytes(100),
    "libvips' own, other end": b"\x08\xf2\xa6\xb6" + bytes(100),
    "matrix": b"2 2\n1 2\n3 4\n",
    "CSV": b"1,2\n3,4\n",
    "PPM": b"P6\n8 8\n255\n" + bytes(192),
    "Radiance": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 8 +X 8\n" + bytes(256),
    "FITS": b"SIMPLE  =                    T".ljust(2880),
    "PDF": b"%PDF-1.4\n",
    "OpenEXR": b"\x76\x2f\x31\x01" + bytes(100),
    "Matlab": b"MATLAB 5.0 MAT-file".ljust(128, b" "),
    "ImageMagick's script": b"push graphic-context\nimage over 0,0 0,0 '/etc/passwd'\npop graphic-context\n",
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.attack("files for libvips' other loaders", "blocked: no description, no picture")
def test_other_loaders_are_blocked(prober: RunningProber, name: str) -> None:
    described, shown, thumbnail = asked(prober, OTHERS[name])

    assert described.failure is not None
    assert shown.failure is not None
    assert thumbnail == b""


def test_each_loader_reads_its_own_format_alone(prober: RunningProber, pictures: PictureStudio) -> None:
    """A file that begins as one format and is another is not read by the other's loader."""
    whole = pictures.save("plain.png", plain(RED, 64, 64)).read_bytes()

    described, _, _ = asked(prober, b"\xff\xd8\xff" + whole)

    assert described.failure is not None
    assert len(Loader) == 8


def forked(program: str, file: Path, *arguments: str) -> None:
    """Run a program that forks; this process has threads of libvips, which a fork must not."""
    with file.open("rb") as opened:
        command = [sys.executable, "-c", f"{FORKING}\n{program}", *arguments]
        ran = subprocess.run(command, stdin=opened, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr


FORKING = """
import os
import sys
from pathlib import Path
from mediaimport_prober import vips
from mediaimport_prober.pictures import Loader
from mediaimport_prober.sandbox import Limits, fork
"""
TOLD = """
for loader in (Loader.PNG, Loader(sys.argv[1])):
    os.lseek(0, 0, os.SEEK_SET)  # forks share the position
    ran = fork(lambda: vips.write_description(loader), Limits(), stdin=0)
    assert ran.exit_code == (0 if loader is Loader.PNG else vips.UNREADABLE), (loader, ran)
"""
GIVEN_UP = """
def read_and_open(path):
    vips.write_thumbnail(Loader.PNG, 64, skip_black=False)
    return len(path.read_bytes())

for path in (Path("/etc/passwd"), Path(sys.argv[1])):
    os.lseek(0, 0, os.SEEK_SET)
    ran = fork(lambda: read_and_open(path), Limits(), stdin=0)
    assert ran.stdout.startswith(b"\\xff\\xd8") and b"PermissionError" in ran.stderr, ran
"""


@pytest.mark.parametrize("allowed", [each for each in Loader if each is not Loader.PNG])
def test_fork_reads_no_format_but_the_one_it_was_told(pictures: PictureStudio, allowed: Loader) -> None:
    """Whatever the prober takes a file for, libvips has one loader to read it with."""
    forked(TOLD, pictures.save("plain.png", plain(RED, 64, 64)), allowed)


@pytest.mark.skipif(landlock.version() == 0, reason="the kernel has no Landlock")
@pytest.mark.attack("a picture that has taken libvips over", "every path is given up before the first byte is read")
def test_fork_gives_up_every_path(pictures: PictureStudio) -> None:
    file = pictures.save("plain.png", plain(RED, 64, 64))

    forked(GIVEN_UP, file, str(file))


def test_half_a_picture_is_described_and_shown(prober: RunningProber, pictures: PictureStudio) -> None:
    whole = pictures.save("plain.jpg", plain(RED, 2000, 2000), Q=95).read_bytes()

    described, _, thumbnail = asked(prober, whole[: len(whole) // 2])

    assert described.failure is None
    assert near(colours(thumbnail, [(0.5, 0.1)])[0], RED)
