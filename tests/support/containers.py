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
    "flac": TONE,
    "avi": _SOUND,
    "ogg": TONE,
    "gif": TEST_VIDEO,
    "webm": _SOUND,
    "mkv": (*_SOUND, *H264),
    "png": _STILL,
    "jpg": _STILL,
    "webp": _STILL,
}
"""Containers that say where they end."""
