"""One small file of each container, by how ffmpeg makes it."""

from __future__ import annotations

from tests.support.media_studio import H264, TEST_VIDEO, TONE

_SOUND = (*TEST_VIDEO, *TONE)
_STILL = (*TEST_VIDEO, "-frames:v", "1")

CONTAINERS: dict[str, tuple[str, ...]] = {
    "mp4": (*_SOUND, *H264),
    "fast.mp4": (*_SOUND, *H264, "-movflags", "+faststart"),
    "fragmented.mp4": (*_SOUND, *H264, "-movflags", "frag_keyframe+empty_moov"),
    "mov": (*_SOUND, *H264),
    "mp3": TONE,
    "wav": TONE,
    "rf64.wav": (*TONE, "-rf64", "always"),
    "flac": TONE,
    "avi": _SOUND,
    "ogg": TONE,
    "gif": TEST_VIDEO,
    "webm": _SOUND,
    "mkv": (*_SOUND, *H264),
    "png": _STILL,
    "jpg": _STILL,
    "webp": _STILL,
    "wmv": _SOUND,
    "live.wmv": (*_SOUND, "-seekable", "0"),
    "wma": TONE,
    "flv": (*_SOUND, *H264),
}
"""Containers that say where they end."""

ENDLESS: dict[str, tuple[str, ...]] = {
    "aac": TONE,
    "ts": (*_SOUND, *H264),
    "mpg": _SOUND,
    "live.webm": (*_SOUND, "-live", "1"),
    "live.mp4": (*_SOUND, *H264, "-movflags", "frag_keyframe+empty_moov+skip_trailer"),
    "live.flv": (*_SOUND, *H264, "-flvflags", "no_duration_filesize"),
    "live.wav": (*TONE, "-seekable", "0"),
    "live.flac": (*TONE, "-seekable", "0"),
    "live.mp3": (*TONE, "-write_xing", "0"),
}
"""Containers that do not: in most places a cut shows all the same, since it goes through a packet or a frame."""
