"""Attacks on ffprobe and ffmpeg, with the real ones: nothing is read, time and memory stay bounded."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mediaimport_prober.memory import DEFAULT_BYTES, MIB, PROGRAM_BYTES, Budget
from mediaimport_prober.packets import PacketSums
from mediaimport_prober.protocol import Failure, PacketsRequest, ProbeRequest, ThumbnailRequest
from mediaimport_prober.sandbox import Limits
from mediaimport_prober.tools import Tools, last_line

from tests.support.png import SIGNATURE, chunk
from tests.support.running_prober import running_prober

if TYPE_CHECKING:
    from mediaimport_prober.protocol import Request, Response

    from tests.support.media_studio import Studio


# Newer Pythons warn of forks in a process with threads; the prober has none, the test run has.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def scratch(tmp_path: Path, studio: Studio) -> Path:
    """A directory with another's video in it, which no attack may show."""
    (tmp_path / "secret.ts").write_bytes(
        studio.make("secret.ts", "-f", "lavfi", "-i", "color=red:s=64x64:d=1", "-c:v", "mpeg2video").read_bytes()
    )
    return tmp_path


def hls(target: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n".encode()


def both(tools: Tools) -> list[tuple[Response, bytes]]:
    requests: list[Request] = [ProbeRequest(file="attack"), ThumbnailRequest(file="attack", width_pixels=320)]
    return [tools.answer(request) for request in requests]


def attacks(scratch: Path) -> dict[str, bytes]:
    secret = str(scratch / "secret.ts")
    master = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"
    return {
        "HLS to a neighbour": hls("secret.ts"),
        "HLS to an absolute path": hls(secret),
        "HLS to a file URL": hls(f"file:{secret}"),
        "HLS master to /etc/passwd": master + b"/etc/passwd\n",
        "HLS master to itself": master + b"attack\n",
        "ffconcat": f"ffconcat version 1.0\nfile {secret}\n".encode(),
        "relative ffconcat": b"ffconcat version 1.0\nfile secret.ts\n",
        "DASH": (
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="video/mp2t"><Representation id="1" '
            f'bandwidth="1"><BaseURL>file:{secret}</BaseURL></Representation></AdaptationSet></Period></MPD>'
        ).encode(),
        "subtitle reference": b"[Script Info]\n[Events]\nDialogue: 0,0:00:00.00,0:00:01.00,,,,,,,x\n",
        "SDP": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "image sequence pattern": b"%d",
        "random": bytes(range(256)) * 64,
    }


NAMES = list(attacks(Path("/")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.attack(
    "HLS, DASH, ffconcat, SDP and similar files that refer to other files, without an extension",
    "refused by the format whitelist: no picture, no description",
)
def test_file_that_points_at_others_is_refused(scratch: Path, name: str) -> None:
    (scratch / "attack").write_bytes(attacks(scratch)[name])
    begun = time.monotonic()

    answers = both(Tools(scratch))

    assert all(response.failure is not None and not payload for response, payload in answers), answers
    assert time.monotonic() - begun < 10


@pytest.mark.attack("a symbolic link in the scratch directory", "not followed")
def test_symbolic_link_is_no_file(scratch: Path) -> None:
    (scratch / "attack").symlink_to(scratch / "secret.ts")

    assert [response.failure for response, _ in both(Tools(scratch))] == [Failure.NO_FILE, Failure.NO_FILE]


def png(width: int, height: int, *, interlaced: bool = False, pixels_mib: int = 1) -> bytes:
    """Return a PNG of 64 bits a pixel, all zero: a megabyte holds gigabytes of them."""
    compressor = zlib.compressobj(9)
    data = b"".join(compressor.compress(bytes(MIB)) for _ in range(pixels_mib)) + compressor.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, 6, 0, 0, int(interlaced)])
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bmp(width: int, height: int) -> bytes:
    """Return a BMP of one colour, run-length encoded: libvips does not read it, ffmpeg does."""
    rows = (b"\xff\0" * (width // 255) + bytes([width % 255 or 1, 0]) + b"\0\0") * 100 + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 0, 0, 256, 0)
    start = 14 + len(header) + 1024
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + bytes(1024) + rows


MEASURED = """
import json, pathlib, resource, sys
from mediaimport_prober.protocol import ProbeRequest, ThumbnailRequest
from mediaimport_prober.tools import Tools
tools = Tools(pathlib.Path(sys.argv[1]))
answers = [tools.answer(ProbeRequest(file="attack")), tools.answer(ThumbnailRequest(file="attack", width_pixels=320))]
peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([[response.failure, len(payload)] for response, payload in answers] + [peak_kib]))
"""


def measured(scratch: Path) -> tuple[list[tuple[str | None, int]], int]:
    """Return failure and payload's length of both requests, and the largest peak memory of their tools in KiB.

    A process of its own asks: RUSAGE_CHILDREN is the peak of every child that a process ever had, and a fork of a large
    process counts with the memory that it has before it starts the tool.
    """
    command = [sys.executable, "-c", MEASURED, str(scratch)]
    *answers, peak_kib = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return [(failure, length) for failure, length in answers], peak_kib


@pytest.mark.attack("a small BMP of 110 megapixels, for ffmpeg", "PixelLimitExceeded in less than 200 MB")
def test_bmp_bomb_is_refused_before_it_is_decoded(scratch: Path) -> None:
    (scratch / "attack").write_bytes(bmp(11_000, 10_000))

    [(probed, _), (shown, jpeg_bytes)], peak_kib = measured(scratch)

    assert probed == Failure.TOO_MANY_PIXELS
    assert shown is not None
    assert jpeg_bytes == 0
    assert 10_000 < peak_kib < 200_000


@pytest.mark.attack("a small PNG of 28 GB of pixels, for libvips", "described; no thumbnail; in less than 200 MB")
def test_png_bomb_is_not_decoded(scratch: Path) -> None:
    (scratch / "attack").write_bytes(png(60_000, 60_000))

    [(probed, _), (shown, jpeg_bytes)], peak_kib = measured(scratch)

    assert probed is None
    assert shown == Failure.TOO_MANY_PIXELS
    assert jpeg_bytes == 0
    assert 10_000 < peak_kib < 200_000


@pytest.fixture
def boxes(scratch: Path) -> Path:
    """A directory with a file that ffprobe reads for 20 s."""
    ftyp = (24).to_bytes(4, "big") + b"ftypisom\x00\x00\x02\x00isommp41"
    (scratch / "attack").write_bytes(ftyp + ((8).to_bytes(4, "big") + b"free") * 12_000_000)
    return scratch


@pytest.mark.attack("96 MB of empty boxes", "ended by the limit of CPU time")
def test_megabytes_of_empty_boxes_end_with_the_processor_time(boxes: Path) -> None:
    response, _ = Tools(boxes, Limits(cpu_s=1)).answer(ProbeRequest(file="attack"))

    assert response.failure is Failure.TOO_LONG


def test_file_that_the_node_has_no_time_for_is_not_at_fault(boxes: Path) -> None:
    begun = time.monotonic()

    response, _ = Tools(boxes, Limits(timeout_s=0.5)).answer(ProbeRequest(file="attack"))

    assert response.failure is Failure.NO_TIME
    assert "of CPU time" in response.message
    assert time.monotonic() - begun < 10


def test_patience_of_a_request_lengthens_the_clock(boxes: Path) -> None:
    begun = time.monotonic()

    response, _ = Tools(boxes, Limits(timeout_s=0.2)).answer(ProbeRequest(file="attack", patience=4))

    assert response.failure is Failure.NO_TIME
    assert time.monotonic() - begun >= 0.8


@pytest.mark.attack("tags of 100 kB", "not repeated")
def test_megabytes_of_tags_are_not_repeated(scratch: Path, studio: Studio) -> None:
    file = studio.make("all-tags.mkv", "-i", str(studio.video()), "-c", "copy", "-metadata", "comment=" + "x" * 100_000)
    (scratch / "attack").write_bytes(file.read_bytes())

    response, _ = Tools(scratch).answer(ProbeRequest(file="attack"))

    assert response.failure is None
    assert len(str(response.document)) < 10_000


def test_codec_that_is_not_on_the_list_is_named(scratch: Path, studio: Studio) -> None:
    file = studio.make("rare.avi", "-f", "lavfi", "-i", "testsrc2=s=64x64:d=0.2", "-c:v", "asv1")
    (scratch / "attack").write_bytes(file.read_bytes())

    response, _ = Tools(scratch).answer(ProbeRequest(file="attack"))

    assert (response.failure, response.message) == (Failure.NOT_ALLOWED, "asv1")


def test_format_that_is_not_on_the_list_is_not_allowed(scratch: Path) -> None:
    (scratch / "attack").write_bytes(hls("secret.ts"))

    response, _ = Tools(scratch).answer(ProbeRequest(file="attack"))

    assert response.failure is Failure.NOT_ALLOWED


def test_container_that_is_not_on_the_list_is_not_allowed(scratch: Path, studio: Studio) -> None:
    file = studio.make("sound.aiff", "-f", "lavfi", "-i", "sine=d=1")
    (scratch / "attack").write_bytes(file.read_bytes())

    response, _ = Tools(scratch).answer(ProbeRequest(file="attack"))

    assert response.failure is Failure.NOT_ALLOWED


def test_packets_are_summed_by_stream(scratch: Path, studio: Studio) -> None:
    (scratch / "good").write_bytes(studio.video().read_bytes())

    response, _ = Tools(scratch).answer(PacketsRequest(file="good"))

    assert response.document is not None
    assert response.document["streams"]["0"]["packets"] == 48
    assert response.document["streams"]["0"]["endS"] == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(
    "given",
    [
        ProbeRequest(file="good"),
        PacketsRequest(file="good"),
        ThumbnailRequest(file="good", width_pixels=64),
    ],
    ids=lambda request: request.operation,
)
def test_tool_without_memory_is_no_tool_that_failed(scratch: Path, studio: Studio, given: Request) -> None:
    (scratch / "good").write_bytes(studio.video().read_bytes())

    response, payload = Tools(scratch, budget=Budget(40 * MIB)).answer(given)

    assert (response.failure, payload) == (Failure.OUT_OF_MEMORY, b"")
    assert response.message == "the tool needs more memory than 20 MiB"


def test_picture_too_large_for_a_part_of_the_memory_gets_the_whole(tmp_path: Path) -> None:
    """An interlaced PNG is in memory as a whole: 280 MB."""
    large = tmp_path / "large.png"
    large.write_bytes(png(7000, 5000, interlaced=True, pixels_mib=280))

    def shown(folder: str, memory_bytes: int) -> tuple[Failure | None, bool]:
        (tmp_path / folder).mkdir()
        with running_prober(tmp_path / folder, PROBER_MEMORY_BYTES=str(memory_bytes)) as prober:
            _, response, jpeg = prober.ask(large, width_pixels=64)
            return response.failure, bool(jpeg)

    assert shown("one-part", PROGRAM_BYTES + Budget().part_bytes) == (Failure.OUT_OF_MEMORY, False)
    assert shown("whole", DEFAULT_BYTES) == (None, True)


def test_packets_are_summed_wherever_the_pieces_of_their_list_end() -> None:
    lines = b"0,0.000000,0.500000\n1,N/A,0.25\n0,0.500000,0.500000\nx,1,1\n1,0.250000,N/A\n"
    for at in range(len(lines)):
        sums = PacketSums()
        sums.add(lines[:at])
        sums.add(lines[at:])
        assert sums.document == {"streams": {"0": {"packets": 2, "endS": 1.0}, "1": {"packets": 2, "endS": 0.25}}}, at


def test_line_without_end_is_not_kept() -> None:
    sums = PacketSums()
    for _ in range(100):
        sums.add(b"0" * 100_000)

    assert len(vars(sums)["_rest"]) <= 1024


def test_last_line_hold_no_path_and_no_control_characters() -> None:
    assert last_line(b"first\nfile:/scratch/secret/name: Invalid \x1b[31mdata\n") == "name: Invalid ?[31mdata"
