"""Command lines of ffprobe and ffmpeg, each flag against an attack that a test repeats. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mediaimport_api.spec import ThumbnailFrame

from mediaimport_prober.corrections import MATRIX
from mediaimport_prober.protocol import (
    FORMAT_FIELDS,
    FORMAT_TAGS,
    FRAME_FIELDS,
    MAX_STREAMS,
    SIDE_DATA_FIELDS,
    STREAM_DISPOSITIONS,
    STREAM_FIELDS,
    STREAM_TAGS,
    Picture,
)

if TYPE_CHECKING:
    from pathlib import Path

    from mediaimport_prober.protocol import PacketsRequest, ThumbnailRequest


@dataclass(frozen=True)
class ToneMap:
    """Filters that show HDR on an ordinary screen, and the tags to assume before anything else."""

    tags: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()


MAX_PIXELS = 100_000_000
MAX_ALLOC_BYTES = 1024 * 1024 * 1024
MAX_HEIGHT_TO_WIDTH = 4
"""Maximum height of a thumbnail, as a multiple of its maximum width."""

# Format whitelist: without it HLS, DASH and concat files of any name read other local files, and playlists exhaust
# the memory. `ffmpeg -demuxers` lists the names.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,mp3,wav,w64,flac,aac,asf,"
    "jpeg_pipe,png_pipe,apng,webp_pipe,gif,bmp_pipe,j2k_pipe,jpegxl_pipe,jpegxl_anim,qoi_pipe"
)
# Codec whitelist: fewer decoders for hostile files. `ffmpeg -decoders` lists the names.
CODECS = (
    "h264,hevc,av1,libdav1d,libaom-av1,vp8,vp9,libvpx,libvpx-vp9,mpeg1video,mpeg2video,mpeg4,msmpeg4,msmpeg4v1,"
    "msmpeg4v2,h263,h263i,h263p,flv,vp6,vp6a,vp6f,theora,prores,dnxhd,cfhd,mjpeg,png,apng,gif,webp,bmp,jpeg2000,libjxl,libjxl_anim,jpegxl,qoi,wmv1,wmv2,wmv3,"
    "vc1,dvvideo,ffv1,huffyuv,ffvhuff,utvideo,qtrle,rawvideo,svq1,svq3,cinepak,"
    "aac,aac_fixed,aac_latm,mp1,mp1float,mp2,mp2float,mp3,mp3float,ac3,eac3,dca,flac,alac,opus,libopus,vorbis,"
    "libvorbis,speex,libspeex,wmav1,wmav2,wmapro,wmalossless,amrnb,amrwb,nellymoser,adpcm_ima_wav,adpcm_ima_qt,"
    "adpcm_ms,adpcm_swf,gsm,gsm_ms,"
    "pcm_s8,pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,"
    "pcm_f64be,pcm_alaw,pcm_mulaw,pcm_bluray,pcm_dvd,"
    "mov_text,srt,subrip,ass,ssa,webvtt,text,dvbsub,dvdsub,pgssub,cc_dec"
)


def _entries(**sections: tuple[str, ...]) -> str:
    """Return the value of -show_entries."""
    return ":".join(f"{name}={','.join(fields)}" for name, fields in sections.items())


ENTRIES = _entries(
    format=FORMAT_FIELDS,
    format_tags=FORMAT_TAGS,
    stream=STREAM_FIELDS,
    stream_disposition=STREAM_DISPOSITIONS,
    stream_tags=STREAM_TAGS,
    stream_side_data=(*SIDE_DATA_FIELDS, MATRIX),
)
FRAME_ENTRIES = _entries(frame=FRAME_FIELDS, frame_side_data=SIDE_DATA_FIELDS)


def _input(file: Path, *, decoder: str | None = None) -> list[str]:
    """Return the input options for a file; `decoder`: another one than ffmpeg's first choice."""
    return [
        *(("-c:v", decoder) if decoder else ()),
        "-protocol_whitelist", "file",
        "-format_whitelist", FORMATS,
        "-codec_whitelist", CODECS,
        "-max_pixels", str(MAX_PIXELS),
        "-max_streams", str(MAX_STREAMS),
        "-threads", "1",
        "-i", f"file:{file}",
    ]  # fmt: skip


def _tool(name: str, *, verbosity: str) -> list[str]:
    return [name, "-v", verbosity, "-hide_banner", "-max_alloc", str(MAX_ALLOC_BYTES)]


def probe(file: Path) -> list[str]:
    """Return the command that describes the file as JSON."""
    return [*_tool("ffprobe", verbosity="error"), "-show_entries", ENTRIES, "-of", "json=c=1", *_input(file)]


def first_frame(file: Path) -> list[str]:
    """Return the command that describes the first frame: an image has its EXIF rotation there."""
    return [
        *_tool("ffprobe", verbosity="error"), "-select_streams", "v:0", "-read_intervals", "%+#1",
        "-show_entries", FRAME_ENTRIES, "-of", "json=c=1", *_input(file),
    ]  # fmt: skip


def packets(file: Path, request: PacketsRequest) -> list[str]:
    """Return the command that lists stream, time and duration of packets from `from_s` on, one a line."""
    interval = ["-read_intervals", f"{request.from_s:.3f}%"] if request.from_s > 0 else []
    return [
        *_tool("ffprobe", verbosity="error"), *interval,
        "-show_entries", "packet=stream_index,pts_time,duration_time", "-of", "csv=p=0", *_input(file),
    ]  # fmt: skip


def alpha_decoder(head: bytes) -> str | None:
    """Return the decoder that a WebM with alpha needs: ffmpeg's own ones for VP8 and VP9 drop it."""
    if _ALPHA_MODE not in head:
        return None
    return next((decoder for codec, decoder in _ALPHA_DECODERS if codec in head), None)


def thumbnail(
    file: Path, request: ThumbnailRequest, *, tone_map: ToneMap | None = None, decoder: str | None = None
) -> list[str]:
    """Return the command that writes one JPEG to stdout and the brightness of its frame to stderr.

    `tone_map`: one of TONE_MAPS.
    """
    stream = "0:V:0" if request.picture is Picture.MAIN else "0:v:0"
    return [
        # The end of a growing file may cut a packet in two.
        *_tool("ffmpeg", verbosity="info"), "-nostdin", "-nostats", "-fflags", "+discardcorrupt",
        *_input(file, decoder=decoder),
        "-map", stream, "-an", "-sn", "-dn", "-map_metadata", "-1",
        "-filter_threads", "1", "-vf", filters(request, tone_map), "-frames:v", "1",
        "-c:v", "mjpeg", "-q:v", "3", "-threads", "1", "-f", "image2pipe", "pipe:1",
    ]  # fmt: skip


def filters(request: ThumbnailRequest, tone_map: ToneMap | None = None) -> str:
    """Return the filter chain; ffmpeg rotates the picture upright before it."""
    width, height = request.width_pixels, request.width_pixels * MAX_HEIGHT_TO_WIDTH
    # `sar` makes the pixels square; min(1, …) never enlarges.
    factor = f"min(1,min({width}/(iw*sar),{height}/ih))"
    return ",".join((
        *(tone_map.tags if tone_map else ()),
        *(_SKIP_BLACK if request.frame is ThumbnailFrame.SKIP_BLACK else ()),
        f"scale=w='max(1,round({factor}*iw*sar))':h='max(1,round({factor}*ih))':flags=bicubic",
        "setsar=1",
        *(tone_map.filters if tone_map else ()),
        _FLATTEN,
        _AS_JPEG,
        "format=yuvj420p",
        "signalstats,metadata=print:key=lavfi.signalstats.YAVG",
    ))  # fmt: skip


_SKIP_BLACK = ("blackframe=amount=0", "metadata=select:key=lavfi.blackframe.pblack:value=98:function=less")
_TONE_MAP = (
    "zscale=t=linear:npl=100", "format=gbrpf32le", "zscale=p=bt709", "tonemap=hable:desat=0",
    "zscale=t=bt709:m=bt709:r=tv", "format=yuv420p",
)  # fmt: skip
_BT2020 = "setparams=color_primaries=bt2020:colorspace=bt2020nc"
TONE_MAPS = (
    ToneMap(filters=_TONE_MAP),
    ToneMap(tags=(_BT2020,), filters=_TONE_MAP),
    ToneMap(tags=(_BT2020,)),
)
"""Ways to show HDR, tried in order: as tagged, as BT.2020 where tags are missing or unknown to ffmpeg, and flat."""
# An element of Matroska, AlphaMode, with the value 1.
_ALPHA_MODE = b"\x53\xc0\x81\x01"
_ALPHA_DECODERS = ((b"V_VP8", "libvpx"), (b"V_VP9", "libvpx-vp9"))
# A JPEG has the matrix of BT.601 in full range, whatever the film had.
_AS_JPEG = "scale=out_color_matrix=bt601:out_range=pc"
_FLATTEN = "format=rgba,split[over][under];[under]lutrgb=r=255:g=255:b=255:a=255[white];[white][over]overlay=format=rgb"
